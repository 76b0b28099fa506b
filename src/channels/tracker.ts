import { allNames, uniqueName } from '../graph/edit.js';
import type { Model, Node } from '../graph/ir.js';
import { constantAt, type ConstantHolder, freeNames, subgraphs, UseIndex } from '../graph/uses.js';
import type { Refusal } from './refusal.js';
import { refusal } from './refusal.js';
import {
  FIXED,
  type Consumer,
  type Cut,
  type Homogeneity,
  type IndexEntry,
  type ShapeEntry,
  type TargetNode,
} from './types.js';
import type { ShapeVector } from './shape-numbers.js';
import { UnionFind } from './union-find.js';

/** The axis of a value along which channels are followed. */
export interface AxisMap {
  readonly axis: number;
  readonly channels: Int32Array;
}

/** Concrete shapes of values, as the runtime reported them for one batch size (see `runtime/shapes.ts`). */
export type KnownShapes = ReadonlyMap<string, readonly number[]>;

const RANK: Record<Homogeneity, number> = { any: 0, positive: 1, none: 2 };

/** The state of the walk over the graph: what the operators' behaviours read and write. */
export class Tracker {
  readonly uses: UseIndex;
  readonly sets = new UnionFind();
  readonly cuts: Cut[] = [];
  readonly shapeEntries: ShapeEntry[] = [];
  readonly indexEntries: IndexEntry[] = [];
  /** Whole numbers that are computed from shapes, by value; see `shape-numbers.ts`. */
  readonly numbers = new Map<string, ShapeVector>();
  readonly consumers: Consumer[] = [];
  readonly targets: TargetNode[] = [];
  readonly maps = new Map<string, AxisMap>();
  /** First refusal of each channel that is pinned, by the channel's own number (not yet by its set). */
  readonly pins = new Map<number, Refusal>();
  /** Holders of what nodes use as their weight. */
  readonly weights = new Set<string>();
  /** Refusals that hold only where nothing else pins the channels; see `pinLater`. */
  readonly laterPins: (readonly [Int32Array, Refusal])[] = [];
  readonly homogeneityOf = new Map<number, Homogeneity>();
  /** See `ChannelSpace.uneven`. */
  readonly uneven = new Set<number>();
  /** Values that depend on what is fed to the model, by more than its shape. */
  private readonly fed: ReadonlySet<string>;
  private names: Set<string> | undefined;

  constructor(
    readonly model: Model,
    private readonly shapes: KnownShapes,
  ) {
    this.uses = new UseIndex(model.graph);
    this.fed = fedValues(model);
  }

  shape(value: string): readonly number[] | undefined {
    return this.shapes.get(value) ?? this.constant(value)?.tensor.dims;
  }

  constant(value: string): ConstantHolder | undefined {
    return value === '' ? undefined : constantAt(this.uses, value);
  }

  /** Whether a value depends on what is fed to the model: an activation, not a weight in some computed form. */
  isActivation(value: string): boolean {
    return this.fed.has(value);
  }

  /** `wanted`, or that with a number behind it: a name that nothing in the model has and that was not given away before. */
  freeName(wanted: string): string {
    this.names ??= allNames(this.model);
    return uniqueName(wanted, this.names);
  }

  /** How many times a constant is read, Identity nodes on the way not counted. */
  constantUseCount(holder: string): number {
    let count = this.uses.isGraphOutput(holder) ? 1 : 0;
    for (const use of this.uses.uses(holder)) {
      const through = use.node.domain === '' && use.node.opType === 'Identity' ? use.node.outputs[0]! : undefined;
      count += through === undefined ? 1 : this.constantUseCount(through);
    }
    return count;
  }

  map(value: string): AxisMap | undefined {
    return this.maps.get(value);
  }

  setMap(value: string, axis: number, channels: Int32Array): void {
    if (channels.some((c) => c !== FIXED)) this.maps.set(value, { axis, channels });
  }

  newChannels(count: number): Int32Array {
    const first = this.sets.add(count);
    return Int32Array.from({ length: count }, (_, i) => first + i);
  }

  pin(channels: Int32Array | undefined, why: Refusal): void {
    channels?.forEach((c) => {
      if (c !== FIXED && !this.pins.has(c)) this.pins.set(c, why);
    });
  }

  /**
   * Pins in the end what is still free then. For an obstacle that can be seen past: the walk goes on with the channels, and where they meet a
   * true limit later, that is what is reported.
   */
  pinLater(channels: Int32Array, why: Refusal): void {
    this.laterPins.push([channels, why]);
  }

  /** Pins whatever channels `value` carries. */
  pinValue(value: string, why: Refusal): void {
    this.pin(this.maps.get(value)?.channels, why);
  }

  /** Ties two axis maps index by index: their channels stay or go together. */
  tie(a: Int32Array, b: Int32Array, node: Node): void {
    for (let i = 0; i < a.length; i++) {
      const x = a[i]!;
      const y = b[i]!;
      if (x !== FIXED && y !== FIXED) this.sets.union(x, y);
      else if (x !== y) this.pin(Int32Array.of(Math.max(x, y)), refusal('COUPLED_TO_FIXED', [label(node)]));
    }
  }

  /** Whether two axis maps hold the same channels in the same order. */
  same(a: Int32Array, b: Int32Array): boolean {
    return (
      a.length === b.length &&
      a.every((c, i) => (c === FIXED ? b[i] === FIXED : b[i] !== FIXED && this.sets.find(c) === this.sets.find(b[i]!)))
    );
  }

  cut(cut: Cut): void {
    this.cuts.push(cut);
  }

  markUneven(channels: Int32Array): void {
    for (const c of channels) if (c !== FIXED) this.uneven.add(c);
  }

  weakenHomogeneity(channels: Int32Array, level: Homogeneity): void {
    if (level === 'any') return;
    for (const c of channels) {
      if (c !== FIXED && RANK[level] > RANK[this.homogeneityOf.get(c) ?? 'any']) this.homogeneityOf.set(c, level);
    }
  }
}

function fedValues({ graph }: Model): Set<string> {
  const fed = new Set(graph.inputs.map((i) => i.name).filter((name) => !graph.initializers.has(name)));
  for (const node of graph.nodes) {
    if (node.opType === 'Shape' || node.opType === 'Size') continue;
    const reads = [...node.inputs, ...subgraphs(node).flatMap((inner) => [...freeNames(inner)])];
    if (reads.some((name) => fed.has(name))) for (const output of node.outputs) fed.add(output);
  }
  return fed;
}

/** The weaker of two homogeneities. */
export function weaker(a: Homogeneity, b: Homogeneity): Homogeneity {
  return RANK[a] >= RANK[b] ? a : b;
}

/** How a node is called in messages and options: its name, else the name of its first output in the model as it came. */
export function label(node: Node): string {
  return node.name !== '' ? node.name : (node.formerOutput ?? node.outputs[0] ?? node.opType);
}
