import { DOMParser, type Document, type Element, type Node } from '@xmldom/xmldom';

/** Deeper nesting has no use in what is read here, and would exhaust the stack of what walks it. */
const MAX_DEPTH = 64;

/** Thrown for a text that is no well-formed XML, or more than that. */
export class XmlError extends Error {}

/**
 * Parses XML of strangers: without a document type (so without entities), without processing instructions and comments,
 * which readers skip in different ways, and not deep.
 * @throws XmlError
 */
export function parseStrictXml(text: string): Document {
  if (/<!(?:DOCTYPE|ENTITY|ELEMENT|ATTLIST|NOTATION)/i.test(text)) throw new XmlError('a document type is not allowed');
  let document: Document;
  try {
    const onError = (_level: string, message: string) => {
      throw new XmlError(message);
    };
    document = new DOMParser({ onError }).parseFromString(text.replace(/^\uFEFF/, ''), 'text/xml');
  } catch (error) {
    throw new XmlError((error as Error).message);
  }
  checkNodes(document);
  return document;
}

const ELEMENT = 1;
const TEXT = 3;
const CDATA = 4;

function checkNodes(document: Document): void {
  const waiting: [Node, number][] = [[document, 0]];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [node, depth] = next;
    if (depth > MAX_DEPTH) throw new XmlError('the elements are nested too deep');
    for (let child = node.firstChild; child !== null; child = child.nextSibling) {
      const isDeclaration = depth === 0 && child.nodeType === 7 && child.nodeName === 'xml';
      if (child.nodeType === ELEMENT) waiting.push([child, depth + 1]);
      else if (child.nodeType !== TEXT && child.nodeType !== CDATA && !isDeclaration) {
        throw new XmlError('comments and processing instructions are not allowed');
      }
    }
  }
}

/** The child elements of that name. */
export function childElements(parent: Node, namespace: string, localName: string): Element[] {
  const found: Element[] = [];
  for (let child = parent.firstChild; child !== null; child = child.nextSibling) {
    if (child.nodeType !== ELEMENT) continue;
    const element = child as Element;
    if (element.namespaceURI === namespace && element.localName === localName) found.push(element);
  }
  return found;
}

/** All elements of that name below a node, in document order. */
export function descendants(parent: Document | Element, namespace: string, localName: string): Element[] {
  return [...parent.getElementsByTagNameNS(namespace, localName)];
}
