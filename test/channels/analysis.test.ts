import { describe, expect, it } from 'vitest';
import { analyseChannels } from '../../src/channels/analysis.js';
import { condensingSites } from '../../src/channels/sites.js';
import { FIXED, type ChannelAnalysis } from '../../src/channels/types.js';
import type { Model, Node } from '../../src/graph/ir.js';
import { fromTypedArray } from '../../src/graph/tensor-data.js';
import type { Tensor } from '../../src/graph/tensor.js';
import { buildGraph, buildModel, node, type GraphSpec } from '../build-model.js';
import {
  analyse,
  constant,
  cutOnly,
  dimsOf,
  integer,
  integers,
  keepFirst,
  outputsOf,
  randomFeeds,
  summary,
  weights,
} from '../dense.js';

/** x [rows, 3] → the nodes → y. Weights that the nodes read are made by name: w35 is 3 × 5, b5 a vector. */
function network(nodes: Node[], extra: Partial<GraphSpec> & { opset?: number } = {}): Model {
  const given = new Set((extra.initializers ?? []).map((t) => t.name));
  const made = new Map<string, Tensor>();
  for (const name of nodes.flatMap((n) => n.inputs)) {
    const [, kind, a, b] = /^(w|b)(\d)(\d)?[a-z]*$/.exec(name) ?? [];
    if (kind === undefined || given.has(name)) continue;
    made.set(name, weights(name, kind === 'w' ? [Number(a), Number(b)] : [Number(a)]));
  }
  return buildModel({
    inputs: [{ name: 'x', shape: ['rows', 3] }],
    outputs: [{ name: 'y' }],
    ...extra,
    nodes,
    initializers: [...made.values(), ...(extra.initializers ?? [])],
  });
}

function refusalOf(analysis: ChannelAnalysis, name: string) {
  return analysis.targets.find((t) => t.node.name === name)?.refusal;
}

const half = constant('half', [], [0.5]);
const one = constant('unity', [], [1]);
const root = constant('root', [], [Math.SQRT2]);

describe('spaces', () => {
  it('a chain has one for each hidden layer, and none for the output', async () => {
    const analysis = await analyse(
      network([
        node('Gemm', ['x', 'w35', 'b5'], ['h']),
        node('Relu', ['h'], ['a']),
        node('Gemm', ['a', 'w54', 'b4'], ['g']),
        node('Tanh', ['g'], ['c']),
        node('Gemm', ['c', 'w42', 'b2'], ['y']),
      ]),
    );
    expect(summary(analysis)).toEqual({ h: 5, g: 4, y: 'GRAPH_OUTPUT' });
    expect(analysis.spaces.map((s) => [s.channels.length, s.homogeneity, s.consumers.map((c) => c.node.name)])).toEqual(
      [
        [5, 'positive', ['g']],
        [4, 'none', ['y']],
      ],
    );
  });

  it('residual additions tie producers, and every consumer of the stream reads the one space', async () => {
    const analysis = await analyse(
      network([
        node('Gemm', ['x', 'w34', 'b4'], ['s0']),
        node('Gemm', ['s0', 'w45', 'b5'], ['f']),
        node('Relu', ['f'], ['r']),
        node('Gemm', ['r', 'w54', 'b4b'], ['g']),
        node('Add', ['s0', 'g'], ['s1']),
        node('Gemm', ['s1', 'w42', 'b2'], ['y']),
      ]),
    );
    expect(summary(analysis)).toEqual({ s0: 4, f: 5, g: 4, y: 'GRAPH_OUTPUT' });
    const [stream, inner] = analysis.spaces;
    expect(stream!.producers.map((n) => n.name)).toEqual(['s0', 'g']);
    expect(stream!.consumers.map((c) => c.node.name)).toEqual(['f', 'y']);
    expect(stream!.homogeneity).toBe('any');
    expect(inner!.homogeneity).toBe('positive');
    // The stream is read at two places with different values.
    expect(condensingSites(analysis).map((s) => s.input)).toEqual(['s0', 'r', 's1']);
  });

  it('a product of two activations ties them too, and lets no factor through', async () => {
    const analysis = await analyse(
      network([
        node('Gemm', ['x', 'w35', 'b5'], ['h']),
        node('Gemm', ['x', 'w35b', 'b5b'], ['g']),
        node('Sigmoid', ['g'], ['s']),
        node('Mul', ['h', 's'], ['a']),
        node('Gemm', ['a', 'w52'], ['y']),
      ]),
    );
    expect(analysis.spaces).toHaveLength(1);
    expect(analysis.spaces[0]!.homogeneity).toBe('none');
  });

  it('GELU and SiLU as exporters write them carry the channels', async () => {
    const analysis = await analyse(
      network(
        [
          node('Gemm', ['x', 'w35', 'b5'], ['h']),
          node('Div', ['h', 'root'], ['d']),
          node('Erf', ['d'], ['e']),
          node('Add', ['e', 'unity'], ['p']),
          node('Mul', ['h', 'p'], ['m']),
          node('Mul', ['m', 'half'], ['gelu']),
          node('Gemm', ['gelu', 'w54', 'b4'], ['g']),
          node('Sigmoid', ['g'], ['s']),
          node('Mul', ['g', 's'], ['silu']),
          node('Gemm', ['silu', 'w42'], ['y']),
        ],
        { initializers: [half, one, root] },
      ),
    );
    expect(summary(analysis)).toEqual({ h: 5, g: 4, y: 'GRAPH_OUTPUT' });
    expect(analysis.spaces.map((s) => s.homogeneity)).toEqual(['none', 'none']);
  });

  it('several consumers of one value share its moments', async () => {
    const analysis = await analyse(
      network(
        [
          node('Gemm', ['x', 'w35', 'b5'], ['h']),
          node('Gemm', ['h', 'w52', 'b2'], ['y']),
          node('MatMul', ['h', 'w53'], ['z']),
        ],
        { outputs: [{ name: 'y' }, { name: 'z' }] },
      ),
    );
    const [site, second] = condensingSites(analysis);
    expect(second).toBeUndefined();
    expect(site!.consumers.map((c) => c.node.name)).toEqual(['y', 'z']);
    expect(site!.centred).toBe(false);
    expect(analysis.consumers.map((c) => c.bias.kind)).toEqual(['holder', 'holder', 'none']);
  });

  it.each([
    ['bias first', 'Add', ['b5', 'm'], 'holder'],
    ['bias second', 'Add', ['m', 'b5'], 'holder'],
    ['subtracted', 'Sub', ['m', 'b5'], 'none'],
    ['a scalar', 'Add', ['m', 'half'], 'none'],
  ] as const)('a MatMul of rank 3 finds its bias: %s', async (_, opType, inputs, kind) => {
    const analysis = await analyse(
      network(
        [node('MatMul', ['x', 'w35'], ['m']), node(opType, [...inputs], ['a']), node('MatMul', ['a', 'w52'], ['y'])],
        { inputs: [{ name: 'x', shape: ['rows', 2, 3] }], initializers: [half] },
      ),
    );
    expect(summary(analysis)).toEqual({ m: 5, y: 'GRAPH_OUTPUT' });
    expect(analysis.consumers[0]!.bias.kind).toBe(kind);
    expect(analysis.consumers[0]).toMatchObject({ rank: 3, featureAxis: 2, outputAxis: 2 });
  });

  it('weights and biases may be Constant nodes, be seen through Identity, or be listed as graph inputs', async () => {
    const model = network(
      [
        node('Constant', [], ['k'], { value: weights('', [3, 5], 1) }),
        node('Identity', ['k'], ['k1']),
        node('Gemm', ['x', 'k1', 'b5'], ['h']),
        node('Gemm', ['h', 'w52', 'b2'], ['y']),
      ],
      {
        inputs: [
          { name: 'x', shape: ['rows', 3] },
          { name: 'w52', shape: [5, 2] },
        ],
      },
    );
    const analysis = await analyse(model);
    expect(summary(analysis)).toEqual({ h: 5, y: 'GRAPH_OUTPUT' });
    expect(analysis.cuts.map((c) => [c.holder, c.axis, c.role])).toEqual([
      ['k', 1, 'produce'],
      ['b5', 0, 'produce'],
      ['w52', 0, 'consume'],
    ]);
  });

  it('a Concat puts spaces side by side; what is fed in between stays', async () => {
    const analysis = await analyse(
      network([
        node('Gemm', ['x', 'w32', 'b2'], ['h']),
        node('Gemm', ['x', 'w34', 'b4'], ['g']),
        node('Concat', ['h', 'x', 'g'], ['j'], { axis: -1 }),
        node('Gemm', ['j', 'w92'], ['y']),
      ]),
    );
    expect(summary(analysis)).toEqual({ h: 2, g: 4, y: 'GRAPH_OUTPUT' });
    const { features } = analysis.consumers.at(-1)!;
    expect([...features].map((c) => (c === FIXED ? '-' : analysis.spaceOf[c]))).toEqual([
      0,
      0,
      '-',
      '-',
      '-',
      1,
      1,
      1,
      1,
    ]);
  });
});

it('where a residual connection ties layers that a Concat joined, one channel of each stays', async () => {
  const model = network([
    node('Gemm', ['x', 'w32'], ['h']),
    node('Gemm', ['x', 'w33'], ['g']),
    node('Concat', ['h', 'g'], ['j'], { axis: 1 }),
    node('Gemm', ['x', 'w35'], ['r']),
    node('Add', ['j', 'r'], ['s']),
    node('Gemm', ['s', 'w52'], ['y']),
  ]);
  const analysis = await analyse(model);
  expect(summary(analysis)).toEqual({ h: 2, g: 3, r: 5, y: 'GRAPH_OUTPUT' });
  expect(analysis.spaces.map((s) => [s.channels.length, s.least])).toEqual([
    [2, 1],
    [3, 1],
  ]);
  const reduced = await cutOnly(model, analysis, keepFirst(analysis, 1));
  expect(dimsOf(reduced, 'w32', 'w33', 'w35', 'w52')).toEqual([
    [3, 1],
    [3, 1],
    [3, 2],
    [2, 2],
  ]);
  expect((await outputsOf(reduced, randomFeeds(model, 4))).get('y')!.dims).toEqual([4, 2]);
});

describe('refusals', () => {
  const head = node('Gemm', ['x', 'w35', 'b5'], ['h']);
  const tail = (value: string) => node('Gemm', [value, 'w52', 'b2'], ['y']);
  const branch = buildGraph({
    nodes: [node('MatMul', ['h', 'inner'], ['r'], {}, { name: 'hidden' })],
    initializers: [weights('inner', [5, 5])],
    outputs: [{ name: 'r' }],
  });

  const cases: [string, Model, string, string, string[]][] = [
    [
      'an operator that is not in the table',
      network([head, node('Tile', ['h', 'once'], ['a'], {}, { name: 'strange' }), tail('a')], {
        initializers: [integers('once', [1, 1])],
      }),
      'h',
      'OPERATOR_MIXES',
      ['strange'],
    ],
    [
      'an operator of another domain, whatever its name',
      network([head, node('Relu', ['h'], ['a'], {}, { name: 'foreign', domain: 'com.example' }), tail('a')]),
      'h',
      'OPERATOR_MIXES',
      ['foreign'],
    ],
    [
      'a Softmax along the channels',
      network([head, node('Softmax', ['h'], ['a']), tail('a')]),
      'h',
      'COMPUTED_FROM_ALL',
      ['a'],
    ],
    [
      'a Softmax of before opset 13, which flattens what is behind its axis',
      network([head, node('Softmax', ['h'], ['a'], { axis: 0 }), tail('a')], { opset: 12 }),
      'h',
      'COMPUTED_FROM_ALL',
      ['a'],
    ],
    ...(['ArgMax', 'ArgMin'] as const).map((opType): (typeof cases)[number] => [
      `${opType} along the channels`,
      network([head, node(opType, ['h'], ['a'], { axis: -1 }), node('Cast', ['a'], ['c'], { to: 1 }), tail('h')], {
        outputs: [{ name: 'y' }, { name: 'c' }],
      }),
      'h',
      'COMPUTED_FROM_ALL',
      ['a'],
    ]),
    [
      'sums along the channels',
      network([head, node('CumSum', ['h', 'axis'], ['a']), tail('a')], { initializers: [integer('axis', -1)] }),
      'h',
      'OPERATOR_MIXES',
      ['a'],
    ],
    [
      'TopK along the channels',
      network([head, node('TopK', ['h', 'all'], ['a', 'places']), tail('a')], { initializers: [integers('all', [5])] }),
      'h',
      'COMPUTED_FROM_ALL',
      ['a'],
    ],
    [
      'a mean over the channels',
      network([head, node('ReduceMean', ['h'], ['a'], { axes: [1] }), node('Add', ['h', 'a'], ['c']), tail('c')]),
      'h',
      'OPERATOR_MIXES',
      ['a'],
    ],
    [
      'a graph output',
      network([head, tail('h')], { outputs: [{ name: 'y' }, { name: 'h' }] }),
      'h',
      'GRAPH_OUTPUT',
      ['h'],
    ],
    [
      'a weight of two nodes',
      network([head, node('Gemm', ['h', 'w55'], ['g']), node('Gemm', ['g', 'w55'], ['k']), tail('k')]),
      'g',
      'WEIGHT_SHARED',
      ['g', 'k'],
    ],
    [
      'a bias of two nodes',
      network([head, node('Gemm', ['h', 'w55', 'b5'], ['g']), tail('g')]),
      'h',
      'WEIGHT_SHARED',
      ['h', 'g'],
    ],
    [
      'a bias that MatMul + Add share with another Add',
      network([
        node('MatMul', ['x', 'w35'], ['m']),
        node('Add', ['m', 'b5'], ['h']),
        node('Tanh', ['h'], ['t']),
        node('Add', ['t', 'b5'], ['a']),
        tail('a'),
      ]),
      'm',
      'WEIGHT_SHARED',
      ['h', 'a'],
    ],
    [
      'a product of two activations over their channels',
      network([
        head,
        node('Gemm', ['x', 'w35b'], ['k']),
        node('Transpose', ['k'], ['kt']),
        node('MatMul', ['h', 'kt'], ['y']),
      ]),
      'h',
      'ATTENTION_QK',
      ['y'],
    ],
    [
      'a weight that is computed',
      network([head, node('Abs', ['w54'], ['a']), node('MatMul', ['h', 'a'], ['y'])]),
      'y',
      'WEIGHT_NOT_CONSTANT',
      ['y'],
    ],
    [
      'a weight of another type',
      network(
        [
          node('Cast', ['x'], ['xi'], { to: 6 }),
          node('MatMul', ['xi', 'wi'], ['m']),
          node('Cast', ['m'], ['h'], { to: 1 }),
          tail('h'),
        ],
        {
          initializers: [fromTypedArray('wi', [3, 5], 'int32', new Int32Array(15))],
        },
      ),
      'm',
      'WEIGHT_TYPE',
      ['m'],
    ],
    [
      'channels added to a value that is fed',
      network([node('Gemm', ['x', 'w33'], ['h']), node('Add', ['h', 'x'], ['a']), node('Gemm', ['a', 'w32'], ['y'])]),
      'h',
      'COUPLED_TO_FIXED',
      ['a'],
    ],
    [
      'channels that no weight reads',
      network([head, node('Relu', ['h'], ['dead']), node('Gemm', ['x', 'w32'], ['y'])]),
      'h',
      'NO_CONSUMER',
      ['h'],
    ],
    [
      'channels that are captured by a subgraph',
      network(
        [head, node('If', ['c'], ['a'], { then_branch: branch, else_branch: branch }, { name: 'choice' }), tail('a')],
        {
          inputs: [
            { name: 'x', shape: ['rows', 3] },
            { name: 'c', dtype: 'bool', shape: [] },
          ],
        },
      ),
      'h',
      'SUBGRAPH_CAPTURE',
      ['choice'],
    ],
    [
      'a single channel that is spread over several',
      network([node('Gemm', ['x', 'w31'], ['h']), node('Add', ['h', 'b5'], ['a']), tail('a')]),
      'h',
      'TOO_NARROW',
      ['h'],
    ],
    [
      'channels used as rows',
      network([
        node('Gemm', ['x', 'w35'], ['h']),
        node('Transpose', ['h'], ['t']),
        node('MatMul', ['t', 'w32'], ['y']),
      ]),
      'h',
      'OPERATOR_MIXES',
      ['y'],
    ],
    [
      'a Reshape whose shape is computed',
      network([head, node('Abs', ['five'], ['s']), node('Reshape', ['h', 's'], ['a']), tail('a')], {
        initializers: [integers('five', [-3, 5])],
      }),
      'h',
      'SHAPE_NAMED',
      ['a'],
    ],
    [
      'a Reshape that tears the channels apart',
      network(
        [node('Gemm', ['x', 'w34'], ['h']), node('Reshape', ['h', 'torn'], ['a']), node('Gemm', ['a', 'w32'], ['y'])],
        {
          initializers: [integers('torn', [-1, 3])],
        },
      ),
      'h',
      'OPERATOR_MIXES',
      ['a'],
    ],
  ];

  it.each(cases)('%s', async (_, model, target, code, culprits) => {
    // Shapes come from the runtime where it can load the model; the foreign operator and the computed types need none.
    const found = refusalOf(await analyseSafely(model), target);
    expect(found?.code).toBe(code);
    expect(found?.culprits).toEqual(culprits);
    expect(found?.message).not.toBe('');
  });

  it('every Gemm, MatMul and Conv inside a subgraph is spoken of', async () => {
    const analysis = await analyseSafely(cases.find(([name]) => name.includes('captured'))![1]);
    expect(summary(analysis)).toMatchObject({ hidden: 'IN_SUBGRAPH' });
    expect(refusalOf(analysis, 'hidden')!.message).toContain('subgraph of If');
  });

  it('a filter excludes nodes by their label: the name, else the first output', () => {
    const model = network([{ ...head, name: '' }, tail('h')]);
    const analysis = analyseChannels(
      model,
      new Map([
        ['x', [3, 3]],
        ['h', [3, 5]],
        ['y', [3, 2]],
      ]),
      (name) => name !== 'h',
    );
    expect(analysis.targets[0]!.refusal).toMatchObject({ code: 'EXCLUDED', culprits: ['h'] });
    expect(analysis.spaces).toEqual([]);
  });

  it('without shapes, what needs them is refused', () => {
    const model = network([head, node('Gemm', ['x', 'w35b'], ['g']), node('Add', ['h', 'g'], ['a']), tail('a')]);
    expect(refusalOf(analyseChannels(model, new Map()), 'h')).toMatchObject({ code: 'SHAPE_UNKNOWN', culprits: ['a'] });
  });
});

/** The analysis for models that the runtime may not be able to run on floats alone. */
async function analyseSafely(model: Model): Promise<ChannelAnalysis> {
  const { inputs } = model.graph;
  if (!inputs.some((i) => i.dtype === 'bool')) return analyse(model);
  return analyseChannels(
    model,
    new Map([
      ['x', [3, 3]],
      ['h', [3, 5]],
      ['a', [3, 5]],
    ]),
  );
}
