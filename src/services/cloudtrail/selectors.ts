import * as sdk from '@aws-sdk/client-cloudtrail';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { FIELDS } from './selection.ts';
import { resourceOf, trailAtHome, trailByName, updateTrail } from './store.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

const MAX_SELECTORS = 5;
const MAX_DATA_RESOURCES = 250;
const MAX_ADVANCED_VALUES = 500;
const DATA_TYPES = ['AWS::S3::Object', 'AWS::Lambda::Function', 'AWS::DynamoDB::Table'];
const EXCLUDABLE = ['kms.amazonaws.com', 'rdsdata.amazonaws.com'];
const ONLY_EQUALS = ['readOnly', 'eventCategory', 'resources.type'];

/** What a trail takes unless told otherwise: every management event, no data events. */
export const DEFAULT_SELECTORS: readonly sdk.EventSelector[] = [
  { ReadWriteType: 'All', IncludeManagementEvents: true, DataResources: [], ExcludeManagementEventSources: [] },
];

export const PutEventSelectors: Op<'PutEventSelectors'> = {
  resource: (input, ctx) => resourceOf(input.TrailName, ctx),
  async handle({ TrailName: name, EventSelectors: basic, AdvancedEventSelectors: advanced }, ctx) {
    if ((basic === undefined) === (advanced === undefined)) {
      throw invalid('Give either event selectors or advanced event selectors.');
    }
    const selectors = basic === undefined ? checkAdvanced(advanced!) : checkBasic(basic);
    const trail = await ctx.tx(async (tx) => {
      const found = await trailAtHome(tx, ctx, name!);
      await updateTrail(tx, found.arn, { selectors: JSON.stringify(selectors), advanced: basic === undefined ? 1 : 0 });
      return found;
    });
    return basic === undefined
      ? { TrailARN: trail.arn, AdvancedEventSelectors: selectors as sdk.AdvancedEventSelector[] }
      : { TrailARN: trail.arn, EventSelectors: selectors as sdk.EventSelector[] };
  },
};

export const GetEventSelectors: Op<'GetEventSelectors'> = {
  resource: (input, ctx) => resourceOf(input.TrailName, ctx),
  async handle({ TrailName: name }, ctx) {
    const trail = await trailByName(ctx, ctx, name!);
    const selectors = JSON.parse(trail.selectors);
    return trail.advanced === 1
      ? { TrailARN: trail.arn, AdvancedEventSelectors: selectors as sdk.AdvancedEventSelector[] }
      : { TrailARN: trail.arn, EventSelectors: selectors as sdk.EventSelector[] };
  },
};

/** Insights are not there, and this is what AWS answers for a trail without them. */
export const GetInsightSelectors: Op<'GetInsightSelectors'> = {
  resource: (input, ctx) => resourceOf(input.TrailName, ctx),
  async handle({ TrailName: name }, ctx) {
    if (name === undefined) {
      throw fault(sdk.InvalidParameterCombinationException, 'Only the insight selectors of a trail can be asked for.');
    }
    const trail = await trailByName(ctx, ctx, name);
    throw fault(
      sdk.InsightNotEnabledException,
      `Trail ${trail.arn} does not have Insights enabled. Edit the trail settings to enable Insights, and then try the operation again.`,
    );
  },
};

function invalid(message: string) {
  return fault(sdk.InvalidEventSelectorsException, message);
}

function checkBasic(selectors: readonly sdk.EventSelector[]): sdk.EventSelector[] {
  if (selectors.length < 1 || selectors.length > MAX_SELECTORS) {
    throw invalid(`A trail takes 1 to ${MAX_SELECTORS} event selectors.`);
  }
  const resources = selectors.flatMap((one) => one.DataResources ?? []);
  if (resources.reduce((sum, one) => sum + (one.Values?.length ?? 0), 0) > MAX_DATA_RESOURCES) {
    throw invalid(`A trail takes at most ${MAX_DATA_RESOURCES} data resources.`);
  }
  for (const { Type: type = '', Values: values = [] } of resources) {
    if (!DATA_TYPES.includes(type)) throw invalid(`The data resource type ${type} is not valid.`);
    if (!values.every((value) => value.startsWith('arn:'))) throw invalid(`Value of a data resource is not an ARN.`);
  }
  for (const source of selectors.flatMap((one) => one.ExcludeManagementEventSources ?? [])) {
    if (!EXCLUDABLE.includes(source)) throw invalid(`The event source ${source} cannot be excluded.`);
  }
  return selectors.map((one) => ({
    ReadWriteType: one.ReadWriteType ?? 'All',
    IncludeManagementEvents: one.IncludeManagementEvents ?? true,
    DataResources: one.DataResources ?? [],
    ExcludeManagementEventSources: one.ExcludeManagementEventSources ?? [],
  }));
}

function checkAdvanced(selectors: readonly sdk.AdvancedEventSelector[]): sdk.AdvancedEventSelector[] {
  if (selectors.length === 0) throw invalid('At least one advanced event selector is needed.');
  let values = 0;
  for (const { FieldSelectors: fields = [] } of selectors) {
    const names = fields.map(({ Field }) => Field ?? '');
    if (new Set(names).size < names.length) throw invalid('A field stands twice in an advanced event selector.');
    for (const field of fields) values += checkField(field);
    const category = fields.find(({ Field }) => Field === 'eventCategory')?.Equals;
    if (category?.length !== 1 || !['Management', 'Data'].includes(category[0]!)) {
      throw invalid('Each advanced event selector needs eventCategory with the value Management or Data.');
    }
    const type = fields.find(({ Field }) => Field === 'resources.type')?.Equals;
    if ((category[0] === 'Data') !== (type !== undefined)) {
      throw invalid('Selectors of data events, and only those, need resources.type.');
    }
  }
  if (values > MAX_ADVANCED_VALUES) throw invalid(`A trail takes at most ${MAX_ADVANCED_VALUES} values.`);
  return [...selectors];
}

/** @returns how many values the field has. */
function checkField(selector: sdk.AdvancedFieldSelector): number {
  const { Field: field = '', ...operators } = selector;
  if (FIELDS[field] === undefined) throw invalid(`The field ${field} is not valid in an advanced event selector.`);
  const given = Object.entries(operators).filter(([, operands]) => operands !== undefined);
  if (given.length === 0) throw invalid(`The field ${field} needs an operator.`);
  if (ONLY_EQUALS.includes(field) && given.some(([operator]) => operator !== 'Equals')) {
    throw invalid(`The field ${field} takes only Equals.`);
  }
  return given.reduce((sum, [, operands]) => sum + (operands as string[]).length, 0);
}
