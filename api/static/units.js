// Numbers as an on-call engineer says them; the same rules as detector/units.py.

const BYTES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

export function text(value, unit) {
  if (value === null || value === undefined || Number.isNaN(value)) return "-";
  switch (unit) {
    case "seconds": return duration(value);
    case "ratio": return `${digits(value * 100)} %`;
    case "bytes": return scaled(value, 1024, BYTES);
    case "bytes_per_second": return `${scaled(value, 1024, BYTES)}/s`;
    case "per_second": return `${digits(value)}/s`;
    case "timestamp": return moment(value);
    default: return digits(value);
  }
}

// Seconds since 1970 -> "2026-03-02 12:01 UTC", up to the year 10000.
function moment(seconds) {
  if (seconds < 0 || seconds >= 253402300800) return digits(seconds);
  const iso = new Date(seconds * 1000).toISOString();
  return `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`;
}

const DURATIONS = [
  [1e-3, 1e6, "µs"], [1, 1e3, "ms"], [60, 1, "s"], [3600, 1 / 60, "min"], [86400, 1 / 3600, "h"],
];

function duration(seconds) {
  const size = Math.abs(seconds);
  if (size === 0) return "0 ms";
  for (const [below, factor, name] of DURATIONS) {
    if (size < below) return `${digits(seconds * factor)} ${name}`;
  }
  return `${digits(seconds / 86400)} d`;
}

function scaled(value, base, names) {
  let power = 0;
  while (Math.abs(value) >= base && power < names.length - 1) {
    value /= base;
    power += 1;
  }
  return `${digits(value)} ${names[power]}`;
}

function digits(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-4 || size >= 1e6) return scientific(value);
  if (size < 1e-3) return String(Number(value.toPrecision(3)));
  const places = Math.max(0, 2 - Math.floor(Math.log10(size)));
  const plain = value.toFixed(places);
  return plain.includes(".") ? plain.replace(/0+$/, "").replace(/\.$/, "") : plain;
}

// 1234567 -> "1.23e+06", as Python writes it.
function scientific(value) {
  const [, mantissa, sign, power] = value.toExponential(2).match(/^(.*)e([+-])(\d+)$/);
  const short = mantissa.replace(/0+$/, "").replace(/\.$/, "");
  return `${short}e${sign}${power.padStart(2, "0")}`;
}

// 2026-03-02T12:01:00Z -> "12:01", with the day where the span is longer than one.
export function clock(ms, withDay) {
  const iso = new Date(ms).toISOString();
  return withDay ? `${iso.slice(5, 10)} ${iso.slice(11, 16)}` : iso.slice(11, 16);
}
