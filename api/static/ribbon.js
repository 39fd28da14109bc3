// A band that is another one at every point: how sure the value is there.

// The edges as columns beside those of the value; null where there is none.
export function edges(curve, places) {
  const of = (column) => places.map((i) => (i === null || !column ? null : column[i]));
  return [of(curve.low), of(curve.high)];
}

// Fill between both edges, piece by piece: a gap stays a gap.
export function ribbon(u, colour) {
  const [x, , , low, high] = u.data;
  if (!low) return;
  let piece = [];
  const flush = () => {
    if (piece.length) fill(u, piece.map((i) => [x[i], low[i], high[i]]), colour);
    piece = [];
  };
  x.forEach((_, i) => {
    if (low[i] === null || high[i] === null) flush();
    else piece.push(i);
  });
  flush();
}

function fill(u, points, colour) {
  const at = (value, scale) => u.valToPos(value, scale, true);
  const half = points.length === 1 ? 3 * devicePixelRatio : 0; // one alone has no width
  const context = u.ctx;
  context.fillStyle = colour;
  context.beginPath();
  for (const [x, , high] of points) context.lineTo(at(x, "x") - half, at(high, "y"));
  for (const [x, low, high] of [...points].reverse()) {
    if (half) context.lineTo(at(x, "x") + half, at(high, "y"));
    context.lineTo(at(x, "x") + half, at(low, "y"));
  }
  if (half) context.lineTo(at(points[0][0], "x") - half, at(points[0][1], "y"));
  context.closePath();
  context.fill();
}
