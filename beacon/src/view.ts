/** One page view: what it measured, and when that is sent. */

import type { Metric } from 'web-vitals';

import type { Settings } from '../beacon.js';
import { arm, canHold, send } from './delivery.js';
import { type Caught, watchErrors } from './errors.js';
import { routeOf } from './route.js';
import type { Attribute, Attribution, Observe } from './types.js';

// The receiver takes 40 metrics at once; a long life of soft navigations has more.
const MOST_METRICS = 30;
const MOST_CHARACTERS = 1024;
const RELEASE_CHARACTERS = 64;
// Tablets are wider than phones in either position; a window's width says nothing of a device.
const PHONE_PIXELS = 600;

interface Measured {
  n: string;
  i: string;
  v: number;
  t: string;
  u: string;
  a?: Attribution;
}

interface Device {
  connection?: { effectiveType?: string; saveData?: boolean };
  deviceMemory?: number;
  globalPrivacyControl?: boolean;
}

declare global {
  /** Set by the build, so that the core carries nothing of attribution. */
  const ATTRIBUTED: boolean;
  interface Window {
    rumStarted?: boolean;
  }
}

const deviceClass = (): string =>
  !matchMedia('(pointer:coarse)').matches ? 'd'
  : Math.min(screen.width, screen.height) < PHONE_PIXELS ? 'm' : 't';

// By the limits of what is good.
const badness = ({ n, v }: Measured): number => v / (n == 'LCP' ? 2500 : 200);

// Half of a pair, as a cut may leave it, is no UTF-8: the receiver would refuse the whole beacon.
const wellFormed = (_key: string, value: unknown): unknown =>
  typeof value == 'string' ? value.replace(/\p{Cs}/gu, '?') : value;

/** Measure this page view, once: a second call does nothing, since observers cannot be taken back. */
export const watch = (settings: Settings, observers: Observe[], attribute?: Attribute): void => {
  const { app, release, rate = 1, url = '/rum' } = settings;
  const device: Device & Navigator = navigator;
  if (self.rumStarted) return;
  self.rumStarted = true;
  if (Math.random() >= rate || (settings.gpc && device.globalPrivacyControl)) return;

  // A random number can be short; the receiver wants 8 characters.
  const view = (Math.random().toString(36) + Date.now().toString(36)).slice(2);
  const kind = deviceClass();
  const { connection = {} } = device;
  const ids: string[] = [];
  let sequence = 0;
  let metrics: Record<string, Measured> = {};
  let errors: Caught[] = [];

  // Routes are made when a beacon is: a framework's hook may come after the first metrics.
  const routed = <T extends { u: string }>(one: T): T => ({ ...one, u: routeOf(one.u, settings.route) });

  const body = (): string => {
    const sent = Object.values(metrics).map(routed);
    // Where a beacon is too long, the worst values keep their attribution.
    const least = ATTRIBUTED ? sent.filter((one) => one.a).sort((one, other) => badness(one) - badness(other)) : [];
    const written = (): string => JSON.stringify({
      v: 1, k: app, rel: release?.slice(0, RELEASE_CHARACTERS), p: view, s: sequence, r: rate,
      dt: kind, ct: connection.effectiveType, sd: connection.saveData ? 1 : undefined,
      mem: device.deviceMemory, cpu: device.hardwareConcurrency, wd: device.webdriver ? 1 : undefined,
      m: sent, e: errors.length ? errors.map(routed) : undefined,
    }, wellFormed);
    let text = written();
    if (ATTRIBUTED) {
      while (text.length > MOST_CHARACTERS && least.length) {
        least.shift()!.a = undefined;
        text = written();
      }
    }
    return text;
  };

  const flush = (): void => {
    if (!Object.keys(metrics).length && !errors.length) return;
    const text = body();
    sequence++;
    metrics = {};
    errors = [];
    send(url, text);
  };

  const changed = (): void => {
    if (Object.keys(metrics).length >= MOST_METRICS) flush();
    else if (canHold()) arm(url, body());
  };

  const add = (metric: Metric): void => {
    // A dummy; that of a prerendered page is 0 too, and true.
    if (metric.name == 'TTFB' && /soft|cache/.test(metric.navigationType)) return;
    // Unique within this view is enough, and 28 characters shorter.
    const known = ids.indexOf(metric.id);
    const i = String(known < 0 ? ids.push(metric.id) - 1 : known);
    metrics[i] = {
      n: metric.name, i, v: Math.round(metric.value * 1e4) / 1e4, t: metric.navigationType,
      u: metric.navigationURL || location.href, a: ATTRIBUTED ? attribute!(metric) : undefined,
    };
    changed();
  };

  for (const observe of observers) {
    observe(add, { reportAllChanges: canHold(), reportSoftNavs: settings.softNavs ?? true });
  }
  if (settings.errors ?? true) watchErrors((error) => { errors.push(error); changed(); });

  // Not `pagehide`: it comes first on a navigation, before INP and CLS are final. On the window, so
  // after the handlers of web-vitals. What is not serialised in here is lost.
  addEventListener('visibilitychange', () => document.visibilityState == 'hidden' && flush());
};
