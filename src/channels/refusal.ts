/** Why a channel cannot be removed. A refusal is a value: it ends in the report, it never throws and is never silent. */
export interface Refusal {
  readonly code: RefusalCode;
  /** One sentence. */
  readonly message: string;
  /** Names of the nodes (or graph outputs) in the way. */
  readonly culprits: readonly string[];
}

/** Every refusal code with its meaning: the list that the documentation is made from. */
export const REFUSALS = {
  GRAPH_OUTPUT: 'the channels are an output of the model, whose shape stays',
  NOT_SUPPORTED_YET: 'the operator is not supported yet',
  OPERATOR_MIXES: 'an operator mixes, reorders or counts the channels in a way that is not followed',
  IN_SUBGRAPH: 'the node lies in a subgraph (If, Loop, Scan), which is kept intact',
  SUBGRAPH_CAPTURE: 'a subgraph (If, Loop, Scan) reads the value',
  ATTENTION_QK:
    'a product of two activations, such as that of queries and keys, sums over the channels: both sides would have to lose the same',
  LAYER_NORM:
    'a normalisation takes its mean, variance or norm over the channels: without one of them all would change',
  GROUPED: 'a convolution in groups that are wider than one channel',
  WEIGHT_NOT_CONSTANT: 'the weight is computed at run time, not a constant',
  WEIGHT_SHARED: 'the weight is used at more than one place',
  WEIGHT_TYPE: 'the weight is not of a floating-point type that can be rewritten',
  QUANTIZED: 'the weight is quantised: condense the model before it is quantised',
  COUPLED_TO_FIXED: 'the channels are combined with a value whose channels cannot be removed',
  SHAPE_NAMED: 'a shape that is computed at run time names the number of channels',
  SHAPE_UNKNOWN: 'the shape of a value in the way could not be found out',
  NO_CONSUMER: 'no weight reads the channels, so nothing could take over what they contribute',
  TOO_NARROW: 'there is only one channel',
  EXCLUDED: 'excluded by an option',
} as const;
export type RefusalCode = keyof typeof REFUSALS;

/** Makes a refusal; the sentence is the code's meaning unless a more exact one is given. */
export function refusal(code: RefusalCode, culprits: readonly string[], message: string = REFUSALS[code]): Refusal {
  return { code, message, culprits };
}
