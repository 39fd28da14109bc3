/** The five metrics and errors. */

import { onCLS, onFCP, onINP, onLCP, onTTFB } from 'web-vitals';

import type { Settings } from '../beacon.js';
import type { Observe } from './types.js';
import { watch } from './view.js';

/** Begin to measure this page view; later calls do nothing. */
export const start = (settings: Settings): void =>
  watch(settings, [onCLS, onINP, onLCP, onFCP, onTTFB] as Observe[]);
