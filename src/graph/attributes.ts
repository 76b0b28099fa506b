import type { Attribute, Node } from './ir.js';

/** An integer attribute, or `fallback` where the node leaves it out. */
export function intAttribute(node: Node, name: string, fallback: number): number {
  const attribute = node.attributes.get(name);
  return attribute?.type === 'int' ? attribute.value : fallback;
}

/** A float attribute, or `fallback`. */
export function floatAttribute(node: Node, name: string, fallback: number): number {
  const attribute = node.attributes.get(name);
  return attribute?.type === 'float' ? attribute.value : fallback;
}

/** A list of integers, or undefined. */
export function intsAttribute(node: Node, name: string): readonly number[] | undefined {
  const attribute = node.attributes.get(name);
  return attribute?.type === 'ints' ? attribute.value : undefined;
}

/** A new node of the default domain. Plain numbers become int attributes, number lists ints. */
export function makeNode(
  opType: string,
  inputs: string[],
  outputs: string[],
  attributes: Record<string, number | readonly number[] | Attribute> = {},
  name = '',
): Node {
  const map = new Map<string, Attribute>();
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === 'number') map.set(key, { name: key, type: 'int', value });
    else if (Array.isArray(value)) map.set(key, { name: key, type: 'ints', value: value as readonly number[] });
    else map.set(key, value as Attribute);
  }
  return { name, opType, domain: '', inputs, outputs, attributes: map };
}
