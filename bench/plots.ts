/** Plots as SVG text: what the report is made of, and what docs/ shows. */

export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Plot {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly series: readonly Series[];
  readonly logarithmicX?: boolean;
  readonly logarithmicY?: boolean;
}

const WIDTH = 640;
const HEIGHT = 360;
const LEFT = 84;
const RIGHT = 150;
const TOP = 36;
const BOTTOM = 52;
/** Told apart by people who see few colours, too. */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000'];

export function escapeText(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

function shortNumber(value: number): string {
  for (const [size, unit] of [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ] as const) {
    if (Math.abs(value) >= size) return `${Number((value / size).toPrecision(3))}${unit}`;
  }
  return `${Number(value.toPrecision(3))}`;
}

interface Axis {
  readonly ticks: readonly number[];
  /** From 0 to 1. */
  readonly place: (value: number) => number;
}

function makeAxis(values: readonly number[], isLogarithmic: boolean): Axis {
  const finite = values.filter((value) => Number.isFinite(value) && (!isLogarithmic || value > 0));
  const least = finite.length === 0 ? 1 : Math.min(...finite);
  const most = finite.length === 0 ? 2 : Math.max(...finite);
  if (isLogarithmic) {
    const from = Math.floor(Math.log10(least));
    const to = Math.max(from + 1, Math.ceil(Math.log10(most)));
    const ticks = Array.from({ length: to - from + 1 }, (_, index) => 10 ** (from + index));
    return { ticks, place: (value) => (Math.log10(Math.max(value, 10 ** from)) - from) / (to - from) };
  }
  const rough = most / 5 || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= rough)!;
  const count = Math.max(1, Math.ceil(most / step));
  return {
    ticks: Array.from({ length: count + 1 }, (_, index) => index * step),
    place: (value) => value / (count * step),
  };
}

export function svgOf(plot: Plot): string {
  const all = plot.series.flatMap(({ points }) => points);
  const x = makeAxis(
    all.map(([value]) => value),
    plot.logarithmicX === true,
  );
  const y = makeAxis(
    all.map(([, value]) => value),
    plot.logarithmicY === true,
  );
  const atX = (value: number): number => LEFT + x.place(value) * (WIDTH - LEFT - RIGHT);
  const atY = (value: number): number => HEIGHT - BOTTOM - y.place(value) * (HEIGHT - TOP - BOTTOM);
  const parts: string[] = [];
  const text = (at: readonly [number, number], words: string, more = ''): void => {
    parts.push(`<text x="${at[0].toFixed(1)}" y="${at[1].toFixed(1)}" ${more}>${escapeText(words)}</text>`);
  };
  text([WIDTH / 2, 20], plot.title, 'text-anchor="middle" font-weight="bold"');
  for (const tick of y.ticks) {
    const at = atY(tick).toFixed(1);
    parts.push(`<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}" stroke="#ddd"/>`);
    text([LEFT - 6, atY(tick) + 4], shortNumber(tick), 'text-anchor="end"');
  }
  for (const tick of x.ticks)
    text([atX(tick), HEIGHT - BOTTOM + 18], shortNumber(tick), 'text-anchor="middle"');
  parts.push(
    `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${HEIGHT - BOTTOM}" y2="${HEIGHT - BOTTOM}" stroke="#333"/>`,
  );
  text([(LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12], plot.x, 'text-anchor="middle"');
  const middle = (TOP + HEIGHT - BOTTOM) / 2;
  text([16, middle], plot.y, `text-anchor="middle" transform="rotate(-90 16 ${middle})"`);
  for (const [index, { name, points }] of plot.series.entries()) {
    const colour = COLOURS[index % COLOURS.length]!;
    const path = points.map(([a, b]) => `${atX(a).toFixed(1)},${atY(b).toFixed(1)}`).join(' ');
    parts.push(`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`);
    if (points.length <= 30) {
      for (const [a, b] of points)
        parts.push(`<circle cx="${atX(a).toFixed(1)}" cy="${atY(b).toFixed(1)}" r="3" fill="${colour}"/>`);
    }
    text([WIDTH - RIGHT + 10, TOP + 16 + index * 18], name, `fill="${colour}"`);
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>${parts.join('')}</svg>\n`;
}
