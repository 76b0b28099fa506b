/**
 * Gives readers of a shared constant copies of their own, so that each can be cut for itself; and the way back: copies that came out equal are
 * one constant again. In between parameters are counted with the copies.
 */
import { addInitializer, allNames, cloneModel, deleteNewlyDead, uniqueName } from '../src/graph/edit.js';
import type { Model, Node } from '../src/graph/ir.js';
import type { Tensor } from '../src/graph/tensor.js';
import { constantAt, UseIndex } from '../src/graph/uses.js';
import type { Pass, PassResult } from './pass.js';

/** A copy that a node reads in place of a shared constant. */
export interface ConstantCopy {
  readonly name: string;
  /** The holder of the constant that it was copied from. */
  readonly holder: string;
  /** What its reader read before: the constant, or an Identity of it. */
  readonly value: string;
}

export interface Unshared extends PassResult {
  readonly copies: readonly ConstantCopy[];
}

interface UnshareConstants extends Pass<readonly string[]> {
  /** @param holders the constants to copy (`ChannelAnalysis.shared`) */
  run(model: Model, holders: readonly string[]): Unshared;
}

export const unshareConstants: UnshareConstants = {
  name: 'unshare-constants',
  description: 'give each reader of a shared bias or factor a copy of its own, where that frees channels',
  requires: 'topological order; names of constants',
  ensures: 'outputs equal to the bit; no two nodes read the same of these constants',
  run(model, holders) {
    if (holders.length === 0) return { model, changed: false, notes: [], copies: [] };
    const unshared = cloneModel(model);
    const index = new UseIndex(unshared.graph);
    const names = allNames(unshared);
    const copies: ConstantCopy[] = [];
    for (const holder of holders) {
      const { tensor } = constantAt(index, holder)!;
      const { reads, fixed } = readsOf(index, holder);
      // The constant itself stays where it cannot be replaced, else with its first reader.
      for (const { node, input } of fixed ? reads : reads.slice(1)) {
        const name = uniqueName(`${holder}_copy`, names);
        addInitializer(unshared, { name, dtype: tensor.dtype, dims: tensor.dims, storage: tensor.storage });
        copies.push({ name, holder, value: node.inputs[input]! });
        node.inputs[input] = name;
      }
    }
    return { model: unshared, changed: copies.length > 0, notes: holders, copies };
  },
};

/**
 * Undoes what did not pay: copies that are equal to their constant, or to each other, become one again.
 * @param before the model that was unshared: what lost its last reader since is deleted
 */
export function shareEqualConstants(model: Model, copies: readonly ConstantCopy[], before: Model): PassResult {
  if (copies.length === 0) return { model, changed: false, notes: [] };
  const shared = cloneModel(model);
  const { graph } = shared;
  const index = new UseIndex(graph);
  const remaining = new Set<string>();
  for (const holder of new Set(copies.map((copy) => copy.holder))) {
    const original = constantAt(index, holder)?.tensor;
    const kept: { readonly name: string; readonly tensor: Tensor }[] = [];
    for (const { name, value } of copies.filter((copy) => copy.holder === holder)) {
      const tensor = graph.initializers.get(name);
      if (tensor === undefined) continue;
      const known = index.producer(value) !== undefined || graph.initializers.has(value) ? value : holder;
      const twin =
        original !== undefined && equal(tensor, original) ? known : kept.find((k) => equal(k.tensor, tensor))?.name;
      if (twin === undefined) {
        kept.push({ name, tensor });
        remaining.add(holder);
        continue;
      }
      for (const { node, input } of index.uses(name)) node.inputs[input] = twin;
      graph.initializers.delete(name);
      graph.inputs = graph.inputs.filter((i) => i.name !== name);
    }
  }
  deleteNewlyDead(graph, before.graph);
  return { model: shared, changed: true, notes: [...remaining] };
}

/** The nodes that read a constant, Identity nodes on the way not counted, and whether it is read where no copy can be put. */
function readsOf(
  index: UseIndex,
  value: string,
): { readonly reads: { readonly node: Node; readonly input: number }[]; readonly fixed: boolean } {
  const found = { reads: [] as { node: Node; input: number }[], fixed: index.isGraphOutput(value) };
  for (const { node, input } of index.uses(value)) {
    if (input < 0) found.fixed = true;
    else if (node.domain === '' && node.opType === 'Identity') {
      const behind = readsOf(index, node.outputs[0]!);
      found.reads.push(...behind.reads);
      found.fixed ||= behind.fixed;
    } else found.reads.push({ node, input });
  }
  return found;
}

function equal(a: Tensor, b: Tensor): boolean {
  return (
    a.dtype === b.dtype && a.dims.join() === b.dims.join() && Buffer.compare(a.storage.bytes(), b.storage.bytes()) === 0
  );
}
