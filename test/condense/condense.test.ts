import { writeFileSync } from 'node:fs';
import path from 'node:path';
import protobuf from 'protobufjs';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  condense,
  encodeModel,
  readModel,
  verify,
  writeModel,
  type CondenseReport,
  type Model,
} from '../../src/index.js';
import type { Tensor } from '../../src/graph/tensor.js';
import { toFloat64 } from '../../src/graph/tensor-data.js';
import { descriptor } from '../../src/onnx/generated/schema.js';
import { buildModel, node } from '../build-model.js';
import { constant, outputsOf, randomFeeds, relativeDifference } from '../dense.js';
import { normals } from '../matrices.js';
import { normalRows, smoothNetwork, writeNpz } from '../networks.js';
import { temporaryFolders } from '../temporary-folder.js';

const folder = temporaryFolders();
let here: string;
let data: string;
beforeEach(() => {
  here = folder();
  data = writeNpz(here, 'data.npz', { x: normalRows(400) });
});

const bytes = (model: Model): Buffer => Buffer.concat(encodeModel(model));
const widths = ({ nodes }: CondenseReport): (number | undefined)[] => nodes.map((n) => n.after);
const refusal = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'nothing was refused',
    (error: unknown) => (error as { diagnostic?: unknown }).diagnostic ?? error,
  );

describe('condense', () => {
  it('gives the same bytes every time', async () => {
    for (const options of [{ keepParams: 0.5 }, { maxError: 1e-2 }, { method: 'cosine', keepParams: 0.5 }] as const) {
      const [first, second] = [
        await condense(smoothNetwork(), { data: [data], ...options }),
        await condense(smoothNetwork(), { data: [data], ...options }),
      ];
      expect(first.report.output.size.parameters).toBeLessThan(747);
      expect(bytes(first.model).equals(bytes(second.model))).toBe(true);
    }
  });

  it('leaves the model that it is given as it was, and takes a path as well', async () => {
    const model = smoothNetwork();
    const before = bytes(model);
    const file = path.join(here, 'net.onnx');
    await writeModel(model, file);
    const fromMemory = await condense(model, { data: [data], keepParams: 0.5 });
    const fromFile = await condense(file, { data: [data], keepParams: 0.5 });
    expect(bytes(model).equals(before)).toBe(true);
    expect(await relativeDifference(fromMemory.model, fromFile.model, randomFeeds(model, 20))).toBe(0);
    expect(fromMemory.report.input.sha256).toBeNull();
    expect(fromFile.report.input.sha256).toBe((await readModel(file)).source!.sha256);
  });

  it('the report agrees with what the models compute', async () => {
    const model = smoothNetwork();
    const test = normalRows(100, 3);
    const spec = writeNpz(here, 'test.npz', { x: test });
    const { model: reduced, report } = await condense(model, { data: [data], test: [spec], keepParams: 0.3 });
    const feeds = new Map([['x', test]]);
    const [a, b] = await Promise.all(
      [model, reduced].map(async (m) => (await outputsOf(m, feeds)).get('y')!.data as Float32Array),
    );
    const columns = [0, 1, 2].map((c) => {
      const pick = (values: Float32Array): number[] => Array.from({ length: 100 }, (_, i) => values[3 * i + c]!);
      const [x, z] = [pick(a!), pick(b!)];
      const mean = x.reduce((s, v) => s + v, 0) / 100;
      const error = x.reduce((s, v, i) => s + (v - z[i]!) ** 2, 0);
      return Math.sqrt(error / x.reduce((s, v) => s + (v - mean) ** 2, 0));
    });
    const nrmse = columns.reduce((s, v) => s + v, 0) / 3;
    expect(report.verification!.outputs[0]!.nrmse).toBeCloseTo(nrmse, 6);
    expect(report.verification!.rows).toBe(100);
    expect(report.input.size).toMatchObject({ parameters: 747, macs: 2 * 24 + 24 * 24 + 24 * 3 });
    const [w1 = 0, w2 = 0] = widths(report);
    expect(report.output.size.macs).toBe(2 * w1 + w1 * w2 + w2 * 3);
    expect(report.output.size.parameters).toBe(2 * w1 + w1 + w1 * w2 + w2 + w2 * 3 + 3);
  });

  it('nodes that stand in no order are put in order', async () => {
    const model = smoothNetwork();
    model.graph.nodes.reverse();
    const { report } = await condense(model, { data: [data], keepParams: 0.5 });
    expect(report).toMatchObject({ status: 'reduced' });
    expect(report.passes[0]).toMatchObject({ name: 'order-nodes', changed: true });
  });

  it('NaN in an activation names the node and the row', async () => {
    const model = smoothNetwork();
    model.graph.nodes[1] = node('Sqrt', ['h1'], ['a1'], {}, { name: 'root' });
    model.graph.initializers.set('b1', constant('b1', [24], new Array<number>(24).fill(20)));
    const rows = normalRows(400);
    const far = { ...rows, data: (rows.data as Float32Array).map((v, i) => (i === 2 * 123 ? 1e3 : v)) };
    const test = writeNpz(here, 'test.npz', { x: rows });
    const work = condense(model, { data: [writeNpz(here, 'far.npz', { x: far })], test: [test], keepParams: 0.5 });
    const message = expect.stringMatching(/'a1' read by node 'fc2', first at calibration row 123$/) as string;
    expect(await refusal(work)).toMatchObject({ code: 'ACTIVATION_NOT_FINITE', where: 'fc2', message });
  });
});

describe('batch dimensions', () => {
  it('a symbolic one stays: the reduced model takes one row and many', async () => {
    const { model, report } = await condense(smoothNetwork({ batch: 'n' }), { data: [data], keepParams: 0.5 });
    expect(model.graph.inputs[0]!.shape).toEqual(['n', 2]);
    expect(model.graph.outputs[0]!.shape).toEqual(['n', 3]);
    expect(report.verification!.batchOne).toMatchObject({ rows: 3, consistent: true });
    for (const rows of [1, 33])
      expect((await outputsOf(model, randomFeeds(model, rows))).get('y')!.dims).toEqual([rows, 3]);
  });

  it.each([
    ['one', 1, 400],
    ['several', 8, 400],
    ['no divisor of the rows of a fold', 7, 400],
    ['more than a fold has rows', 24, 120],
  ])('a fixed one stays: %s', async (_, batch, rows) => {
    const spec = writeNpz(here, 'rows.npz', { x: normalRows(rows) });
    const keep = new Map([['fc1', 16]]);
    const { model, report } = await condense(smoothNetwork({ batch }), { data: [spec], keep });
    expect(report.status).toBe('reduced');
    expect(widths(report)).toEqual([16, 24, 3]);
    expect(model.graph.inputs[0]!.shape).toEqual([batch, 2]);
    expect((await outputsOf(model, randomFeeds(model, 0))).get('y')!.dims).toEqual([batch, 3]);
    // The same network without a fixed batch, on the same rows, is about as good.
    const open = await condense(smoothNetwork(), { data: [spec], keep });
    const nrmse = (r: CondenseReport): number => r.verification!.outputs[0]!.nrmse!;
    expect(nrmse(report)).toBeLessThan(3 * nrmse(open.report) + 1e-4);
  });
});

describe('what the file says stays', () => {
  const ModelProto = protobuf.Root.fromJSON(descriptor).lookupType('onnx.ModelProto');
  interface Described {
    name: string;
    doc_string: string;
  }
  interface Proto extends Described {
    ir_version: unknown;
    opset_import: unknown;
    producer_name: string;
    domain: string;
    metadata_props: { key: string; value: string }[];
    graph: Described & { node: Described[]; initializer: Described[]; input: Described[]; output: Described[] };
  }
  const parse = (content: Uint8Array): Proto => ModelProto.decode(content) as unknown as Proto;

  it('names, doc strings, versions and metadata; provenance is added', async () => {
    const proto = parse(bytes(smoothNetwork({ metadata: { author: 'someone' } })));
    proto.doc_string = 'a model';
    proto.domain = 'com.example';
    proto.graph.doc_string = 'a graph';
    for (const list of [proto.graph.node, proto.graph.initializer, proto.graph.input, proto.graph.output])
      for (const item of list) item.doc_string = `about ${item.name}`;
    const file = path.join(here, 'described.onnx');
    writeFileSync(file, ModelProto.encode(proto as unknown as protobuf.Message).finish());
    const { model, report } = await condense(file, { data: [data], keepParams: 0.5 });
    expect(report.status).toBe('reduced');
    const after = parse(bytes(model));
    const before = parse(Uint8Array.from(bytes(await readModel(file))));
    const said = ({ graph, ...rest }: Proto): unknown => ({
      head: [rest.ir_version, rest.opset_import, rest.producer_name, rest.domain, rest.doc_string],
      graph: [graph.name, graph.doc_string],
      parts: [graph.node, graph.initializer, graph.input, graph.output].map((list) =>
        list.map((item) => [item.name, item.doc_string]),
      ),
    });
    expect(said(after)).toEqual(said(before));
    expect(after.graph.node[0]!.doc_string).toBe('about fc1');
    const keys = after.metadata_props.map((entry) => entry.key);
    const added = ['version', 'input_sha256', 'options', 'parameters', 'verified', 'check'];
    expect(keys).toEqual(['author', ...added.map((key) => `onnx_condense.${key}`)]);
    // Nothing in it depends on the place or the time.
    expect(JSON.stringify(after.metadata_props)).not.toContain(here);
  });

  it('a model that was condensed before has one record', async () => {
    const once = await condense(smoothNetwork(), { data: [data], keepParams: 0.6 });
    const twice = await condense(once.model, { data: [data], keepParams: 0.8 });
    expect(twice.report.status).toBe('reduced');
    const options = twice.model.metadata.filter((entry) => entry.key === 'onnx_condense.options');
    expect(options).toEqual([{ key: 'onnx_condense.options', value: '{"keepParams":0.8}' }]);
  });
});

describe('exact', () => {
  /** A weight [inputs, neurons] and its bias. */
  interface Layer {
    weight: number[][];
    bias: number[];
  }
  const next = normals(5);
  const layer = (inputs: number, neurons: number): Layer => ({
    weight: Array.from({ length: inputs }, () => Array.from({ length: neurons }, next)),
    bias: Array.from({ length: neurons }, next),
  });
  /** Adds a neuron that is `factor` times neuron `of`, with another bias where one is given. */
  function add(
    { weight, bias }: Layer,
    following: Layer,
    of: number,
    factor: number,
    itsBias = factor * bias[of]!,
  ): void {
    for (const row of weight) row.push(factor * row[of]!);
    bias.push(itsBias);
    following.weight.push(following.bias.map(next));
  }
  /** Two hidden layers of 8 Relu neurons, and the same function with redundant ones besides. */
  function networks(): { plain: Model; planted: Model } {
    const layers: [Layer, Layer, Layer] = [layer(3, 8), layer(8, 8), layer(8, 2)];
    const plain = reluNetwork(layers);
    const planted = structuredClone(layers);
    for (const [i, [own, following]] of [
      [planted[0], planted[1]],
      [planted[1], planted[2]],
    ].entries() as ArrayIterator<[number, [Layer, Layer]]>) {
      add(own, following, 0, 0, -1); // dead: always 0
      add(own, following, 0, 0, 0.7); // constant
      add(own, following, 1, 1); // duplicate
      add(own, following, 2, 2.5); // scaled duplicate
      add(own, following, 3 + i, 1, 5); // unread: no other neuron is like it
      following.weight[12]!.fill(0);
    }
    return { plain, planted: reluNetwork(planted) };
  }
  function reluNetwork([first, second, third]: [Layer, Layer, Layer]): Model {
    const tensors = ({ weight, bias }: Layer, i: number): Tensor[] => [
      constant(`w${i}`, [weight.length, bias.length], weight.flat()),
      constant(`b${i}`, [bias.length], bias),
    ];
    return buildModel({
      inputs: [{ name: 'x', shape: ['batch', 3] }],
      nodes: [
        node('Gemm', ['x', 'w0', 'b0'], ['h0']),
        node('Relu', ['h0'], ['a0']),
        node('Gemm', ['a0', 'w1', 'b1'], ['h1']),
        node('Relu', ['h1'], ['a1']),
        node('Gemm', ['a1', 'w2', 'b2'], ['y']),
      ],
      initializers: [...tensors(first, 0), ...tensors(second, 1), ...tensors(third, 2)],
      outputs: [{ name: 'y', shape: ['batch', 2] }],
    });
  }

  it('removes every planted neuron, and the outputs stay within 1e-5', async () => {
    const { planted } = networks();
    const { model, report } = await condense(planted, { data: ['random:100'], method: 'exact' });
    expect(report.nodes.map((n) => [n.before, n.after])).toEqual([
      [13, 8],
      [13, 8],
      [2, 2],
    ]);
    expect(report.status).toBe('reduced');
    expect(report.verification!.outputs[0]!.relative).toBeLessThan(1e-5);
    expect(await relativeDifference(planted, model, randomFeeds(planted, 500, 8))).toBeLessThan(1e-5);
  });

  it('removes nothing from a network that has nothing redundant', async () => {
    const { plain } = networks();
    const { model, report } = await condense(plain, { data: ['random:100'], method: 'exact' });
    expect(report.status).toBe('unchanged');
    expect(model).toBe(plain);
  });
});

describe('verify', () => {
  it('compares files or models on every row', async () => {
    const file = path.join(here, 'net.onnx');
    await writeModel(smoothNetwork(), file);
    const { model } = await condense(file, { data: [data], keepParams: 0.5 });
    const heard: number[] = [];
    const report = await verify(file, model, {
      data: [data],
      batch: 150,
      onProgress: ({ done }) => heard.push(done!),
    });
    expect(report).toMatchObject({ rows: 400, verdict: { passed: true }, farthest: null });
    expect(heard).toEqual([150, 300, 400]);
    const same = await verify(file, smoothNetwork(), { data: [data], maxRows: 50, tolerance: 'max-abs=0' });
    expect(same).toMatchObject({ rows: 50, verdict: { passed: true } });
  });

  it('tolerance, rowTolerance and classes decide as they do for condense', async () => {
    const other = smoothNetwork();
    const w3 = toFloat64(other.graph.initializers.get('w3')!);
    other.graph.initializers.set(
      'w3',
      constant(
        'w3',
        [24, 3],
        [...w3].map((v) => 1.2 * v),
      ),
    );
    const run = (options: object) => verify(smoothNetwork(), other, { data: [data], ...options });
    expect((await run({})).verdict).toMatchObject({ passed: false, failures: [{ measure: 'nrmse' }] });
    expect((await run({ tolerance: 'nrmse=1' })).verdict.passed).toBe(true);
    expect((await run({ rowTolerance: 10 })).sample).toMatchObject({ exceeded: 0 });
    expect((await run({ rowTolerance: 1e-9 })).sample).toMatchObject({ exceeded: 400 });
    const agreement = (await run({ classes: ['y'] })).verdict;
    expect(agreement.smallestPassing).toMatch(/^agreement=/);
  });

  it('refuses models that cannot be compared, and outputs that are not there', async () => {
    const wider = smoothNetwork();
    wider.graph.inputs.push({ name: 'z', dtype: 'float32', shape: [1] });
    const options = { data: [data] };
    expect(await refusal(verify(smoothNetwork(), wider, options))).toMatchObject({ code: 'INTERFACES_DIFFER' });
    const work = verify(smoothNetwork(), smoothNetwork(), { ...options, classes: ['z'] });
    expect(await refusal(work)).toMatchObject({ code: 'OUTPUT_UNKNOWN', exitCode: 2 });
  });

  it('a fixed batch that does not divide the rows is filled up', async () => {
    const fixed = smoothNetwork({ batch: 7 });
    const report = await verify(fixed, fixed, { data: [data] });
    expect(report).toMatchObject({ rows: 400, batchOne: null, verdict: { passed: true } });
  });
});
