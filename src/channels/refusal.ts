/** Why a channel cannot be removed. A refusal is a value: it ends in the report, it never throws and is never silent. */
export interface Refusal {
  readonly code: RefusalCode;
  /** One sentence. */
  readonly message: string;
  /** Names of the nodes (or graph outputs) in the way. */
  readonly culprits: readonly string[];
}

/** What a refusal code stands for. */
export interface RefusalMeaning {
  readonly meaning: string;
  /** `true`: nothing can be removed there by this method. `open`: a later version may lift it. */
  readonly limit: 'true' | 'open';
  /** For a true limit why it is one, else what lifting it would take. */
  readonly why: string;
  /** What a user can do about it; absent where that is nothing. */
  readonly advice?: string;
}

/** Every refusal code with its meaning: the list that the documentation is made from. */
export const REFUSALS = {
  GRAPH_OUTPUT: {
    meaning: 'the channels are an output of the model, whose shape stays',
    limit: 'true',
    why: 'whoever uses the model counts on them',
  },
  COMPUTED_FROM_ALL: {
    meaning: 'an operator computes each of its results from all of the channels',
    limit: 'true',
    why: 'Softmax, ArgMax, TopK or a maximum over the channels may, without one of them, give something else for all',
  },
  SLIDING_WINDOW: {
    meaning: 'a convolution or a pool slides along the axis of the channels',
    limit: 'true',
    why: 'its window counts on neighbours that stand side by side; without one, all that see the gap would change',
  },
  IN_SUBGRAPH: {
    meaning: 'the node lies in a subgraph (If, Loop, Scan), which is kept intact',
    limit: 'true',
    why: 'what flows inside cannot be measured from outside, and data decide which body runs and how often',
    advice: 'export the model without control flow, where its branches and loops are always the same',
  },
  SUBGRAPH_CAPTURE: {
    meaning: 'a subgraph (If, Loop, Scan) reads the value',
    limit: 'true',
    why: 'subgraphs are kept intact, so what they read keeps its shape',
    advice: 'export the model without control flow, where its branches and loops are always the same',
  },
  WEIGHT_NOT_CONSTANT: {
    meaning: 'the weight is computed at run time, not a constant',
    limit: 'true',
    why: 'there is no stored weight that could get smaller or take over what is removed',
    advice: 'simplify the model first (OnnxSlim, onnxsim): what is computed from constants alone becomes one',
  },
  LAYER_NORM: {
    meaning: 'a normalisation takes its mean, variance or norm over the channels: without one of them all would change',
    limit: 'true',
    why: 'as with Softmax, each of its results is computed from all of the channels',
  },
  TOO_NARROW: {
    meaning: 'there is only one channel',
    limit: 'true',
    why: 'an axis of length 0 is none',
  },
  EXCLUDED: {
    meaning: 'excluded by an option',
    limit: 'true',
    why: 'it was asked for',
    advice: 'leave out --exclude, or name the node in --include',
  },
  OPERATOR_MIXES: {
    meaning: 'an operator mixes, reorders or counts the channels in a way that is not followed',
    limit: 'open',
    why: 'an entry in the operator table that says what the operator does with channels',
    advice: 'simplify the model first (OnnxSlim, onnxsim): chains of shape operators may vanish',
  },
  ATTENTION_QK: {
    meaning:
      'a product of two activations, such as that of queries and keys, sums over the channels: both sides would have to lose the same',
    limit: 'open',
    why: 'removing the same directions from both sides, with statistics of their products',
  },
  NO_CONSUMER: {
    meaning: 'no weight reads the channels, so nothing could take over what they contribute',
    limit: 'open',
    why: 'cleaning up dead ends, which are left as they came',
    advice: 'simplify the model first (OnnxSlim, onnxsim): it removes what no output needs',
  },
  GROUPED: {
    meaning: 'a convolution in groups that are wider than one channel',
    limit: 'open',
    why: 'equal cuts in every group',
  },
  WEIGHT_SHARED: {
    meaning: 'the weight is used at more than one place',
    limit: 'open',
    why: 'one cut that fits all of its places, with the statistics of all of them added up (biases and factors are copied where that pays)',
  },
  WEIGHT_TYPE: {
    meaning: 'the weight is not of a floating-point type that can be rewritten',
    limit: 'open',
    why: 'reading and writing that type',
    advice: 'condense the model in float32 and convert the result',
  },
  QUANTIZED: {
    meaning: 'the weight is quantised: condense the model before it is quantised',
    limit: 'open',
    why: 'quantising the new weights again',
    advice: 'condense the model in floating point, then quantise the result',
  },
  COUPLED_TO_FIXED: {
    meaning: 'the channels are combined with a value whose channels cannot be removed',
    limit: 'open',
    why: 'following where that value comes from; it is a true limit only where that is one',
    advice: 'look at what holds the value on the other side of the node that is named',
  },
  SHAPE_NAMED: {
    meaning: 'a shape that is computed at run time names the number of channels',
    limit: 'open',
    why: 'following how the shape is computed',
    advice: 'simplify the model first (OnnxSlim, onnxsim): shapes that are always the same become constants',
  },
  SHAPE_UNKNOWN: {
    meaning: 'the shape of a value in the way could not be found out',
    limit: 'open',
    why: 'data with which the runtime reports it',
    advice: 'run the shape inference of the onnx package over the model first',
  },
} as const satisfies Record<string, RefusalMeaning>;
export type RefusalCode = keyof typeof REFUSALS;

export function meaningOf(code: RefusalCode): RefusalMeaning {
  return REFUSALS[code];
}

/** Makes a refusal; the sentence is the code's meaning unless a more exact one is given. */
export function refusal(
  code: RefusalCode,
  culprits: readonly string[],
  message: string = REFUSALS[code].meaning,
): Refusal {
  return { code, message, culprits };
}
