/** The five metrics and errors, LCP and INP with where their time went. */

import { onCLS, onFCP, onTTFB } from 'web-vitals';
import { onINP, onLCP } from 'web-vitals/attribution';

import { attribute } from './attribution.js';
import type { Settings } from '../beacon.js';
import type { Observe } from './types.js';
import { watch } from './view.js';

/** Begin to measure this page view; later calls do nothing. */
export const start = (settings: Settings): void =>
  watch(settings, [onCLS, onINP, onLCP, onFCP, onTTFB] as Observe[], attribute);
