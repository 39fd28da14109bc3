/** Where LCP and INP went. Not CLS: its elements, once detached, would be kept alive. */

import type { INPMetricWithAttribution, LCPMetricWithAttribution } from 'web-vitals/attribution';

import { withoutIds } from './route.js';
import type { Attribute } from './types.js';

const SELECTOR_CHARACTERS = 80;
const ADDRESS_CHARACTERS = 120;

// The end of a selector or an address tells more than its beginning.
const selector = (target?: string) => (target || '').slice(-SELECTOR_CHARACTERS) || undefined;
// A script within the page has the page's address, with its ids; data: and blob: are content.
const address = (url?: string) =>
  withoutIds((url || '').split(/[?#]/)[0]!.replace(/^(data|blob):.*/, '$1:').replace(location.origin, ''))
    .slice(-ADDRESS_CHARACTERS) || undefined;

/** The element, its resource and the parts of LCP; the target, script and parts of INP. */
export const attribute: Attribute = (metric) => {
  if (metric.name == 'LCP') {
    const { attribution: a } = metric as LCPMetricWithAttribution;
    return {
      e: selector(a.target), x: address(a.url),
      d: [a.timeToFirstByte, a.resourceLoadDelay, a.resourceLoadDuration, a.elementRenderDelay].map(Math.round),
    };
  }
  if (metric.name == 'INP') {
    const { attribution: a } = metric as INPMetricWithAttribution;
    const script = a.longestScript?.entry;
    return {
      e: selector(a.interactionTarget), y: a.interactionType,
      d: [a.inputDelay, a.processingDuration, a.presentationDelay].map(Math.round),
      s: address(script?.sourceURL), f: script?.sourceFunctionName?.slice(0, SELECTOR_CHARACTERS) || undefined,
    };
  }
};
