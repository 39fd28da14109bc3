/** Core Web Vitals from real browsers to a Plimsoll of your own. */

/** The settings of a beacon; but for `route` each is also an attribute `data-*` of the script. */
export interface Settings {
  /** The public key of the application, as Plimsoll's configuration names it. */
  app?: string;
  /** Where beacons go. Default: `rum` beside the script, `/rum` for the module. */
  url?: string;
  /** The release of the page, such as `web@2026.11.21-1`. */
  release?: string;
  /** The share of page views that is measured, 0 to 1. Default: 1. */
  rate?: number;
  /** The pattern of an address, such as `/cart/:id`; nothing lets the heuristic decide. */
  route?: (url: URL) => string | null | undefined | void;
  /** Measure soft navigations, where the browser can. Default: true. */
  softNavs?: boolean;
  /** Send errors along, five a view at most. Default: true. */
  errors?: boolean;
  /** Stay silent where the browser says Global Privacy Control. Default: false. */
  gpc?: boolean;
}

/** Begin to measure this page view; later calls do nothing. */
export function start(settings: Settings): void;
