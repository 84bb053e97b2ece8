import type { Member, Shape, StructureShape } from './shape.ts';

const HIDDEN = 'HIDDEN_DUE_TO_SECURITY_REASONS';
/** Names of secrets that the models do not mark; as keys of maps they are free text of users. */
const SECRET_MEMBER = /password|secret|sessionToken|privateKey/i;
const SECRET_KEY = /password|secret|token|private_?key|credential/i;

/** True for a member whose value nobody but its caller may see. */
export function isSecret(member: Member): boolean {
  return member.traits.sensitive === 1 || (member.shape.kind === 'string' && SECRET_MEMBER.test(member.name));
}

/**
 * A value as the trail may show it: secrets hidden, bytes and streams named by their size, member names as CloudTrail writes them.
 * @param content names of further members to hide
 */
export function redact(shape: Shape, value: unknown, content: readonly string[] = []): unknown {
  if (value === undefined || value === null) return undefined;
  if (shape.traits.sensitive === 1) return HIDDEN;
  switch (shape.kind) {
    case 'structure':
    case 'union':
      return redactStructure(shape, value as Record<string, unknown>, content);
    case 'list':
      return (value as unknown[]).map((item) => redact(shape.member, item, content));
    case 'map':
      return Object.fromEntries(
        Object.entries(value).map(([key, item]) => [
          key,
          SECRET_KEY.test(key) ? HIDDEN : redact(shape.value, item, content),
        ]),
      );
    case 'blob':
      return value instanceof Uint8Array ? { bytes: value.byteLength } : undefined;
    case 'timestamp':
      return (value as Date).toISOString();
    default:
      return typeof value === 'bigint' ? String(value) : value;
  }
}

function redactStructure(
  shape: StructureShape,
  record: Record<string, unknown>,
  content: readonly string[],
): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const member of shape.members) {
    const item = record[member.name];
    if (item === undefined || item === null) continue;
    const name = member.name.charAt(0).toLowerCase() + member.name.slice(1);
    out[name] = isSecret(member) || content.includes(member.name) ? HIDDEN : redact(member.shape, item, content);
  }
  return out;
}
