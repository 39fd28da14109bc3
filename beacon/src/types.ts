/** What one page view sends; the keys are those of docs/rum-protocol.md. */

import type { Metric, ReportOpts } from 'web-vitals';

/** Where the time of a metric went; strings and numbers only, never an element. */
export interface Attribution {
  /** A selector of the element, its end if it is long. */
  e?: string;
  /** The address of the resource, without query and fragment. */
  x?: string;
  /** `pointer` or `keyboard`. */
  y?: string;
  /** The parts in whole milliseconds, in the order of docs/rum-protocol.md. */
  d?: number[];
  /** The script that ran longest in the interaction. */
  s?: string;
  /** Its function. */
  f?: string;
}

export type Attribute = (metric: Metric) => Attribution | undefined;
export type Observe = (report: (metric: Metric) => void, options: ReportOpts) => void;
