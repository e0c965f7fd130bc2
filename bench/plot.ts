/** Two kinds of pictures, drawn by hand. */

export interface Bar {
  readonly label: string
  readonly value: number
  readonly low: number
  readonly high: number
}

export interface Line {
  readonly label: string
  readonly points: ReadonlyArray<readonly [x: number, y: number]>
}

const colors = ["#57606a", "#8250df", "#0969da", "#bf8700", "#cf222e", "#1a7f37"]

const escape = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")

const text = (x: number, y: number, content: string, attributes = "") =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${escape(content)}</text>`

const svg = (width: number, height: number, content: ReadonlyArray<string>) =>
  [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"`,
    `  font-family="system-ui, sans-serif" font-size="12" fill="#1f2328">`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    ...content,
    "</svg>",
    ""
  ].join("\n")

const short = (value: number) =>
  value >= 1e6 ? `${Number((value / 1e6).toPrecision(3))} M` : value >= 1e3
    ? `${Number((value / 1e3).toPrecision(3))} k`
    : String(Number(value.toPrecision(3)))

/** Groups of horizontal bars with their spread; on a logarithmic scale where one subject dwarfs the others. */
export const bars = (
  options: { readonly title: string; readonly unit: string; readonly logarithmic?: boolean },
  groups: ReadonlyArray<{ readonly label: string; readonly bars: ReadonlyArray<Bar> }>
): string => {
  const all = groups.flatMap((group) => group.bars)
  const logarithmic = options.logarithmic ?? false
  const most = Math.max(...all.map(({ high }) => high))
  const least = logarithmic ? 10 ** Math.floor(Math.log10(Math.min(...all.map(({ low }) => low)))) : 0
  const left = 140
  const span = 440
  const x = (value: number) =>
    left + span * (logarithmic ? Math.log(value / least) / Math.log(most / least) : value / most)
  const content = [
    text(16, 24, `${options.title}, ${options.unit}${logarithmic ? " (logarithmic)" : ""}`, `font-weight="600"`)
  ]
  let y = 38
  for (const group of groups) {
    if (group.label !== "") content.push(text(16, y += 16, group.label, `fill="#57606a"`))
    for (const [index, bar] of group.bars.entries()) {
      content.push(
        text(left - 8, y + 19, bar.label, `text-anchor="end"`),
        `<rect x="${left}" y="${y + 6}" width="${(x(bar.value) - left).toFixed(1)}" height="16" rx="2" fill="${
          colors[index % colors.length]
        }"/>`,
        `<path d="M${x(bar.low).toFixed(1)} ${y + 14}H${x(bar.high).toFixed(1)}" stroke="#1f2328"/>`,
        text(Math.max(x(bar.value), x(bar.high)) + 6, y + 19, short(bar.value))
      )
      y += 22
    }
    y += 8
  }
  return svg(660, y + 8, content)
}

/** Lines over a number of clients, both axes logarithmic. */
export const lines = (
  options: { readonly title: string; readonly x: string; readonly y: string },
  series: ReadonlyArray<Line>
): string => {
  const points = series.flatMap((line) => line.points)
  const [left, top, width, height] = [60, 44, 420, 240]
  const axis = (values: ReadonlyArray<number>) => {
    const low = Math.log10(Math.min(...values) * 0.8)
    const high = Math.log10(Math.max(...values) * 1.25)
    return (value: number) => (Math.log10(value) - low) / (high - low)
  }
  const horizontal = axis(points.map(([x]) => x))
  const vertical = axis(points.map(([, y]) => y))
  const x = (value: number) => left + width * horizontal(value)
  const y = (value: number) => top + height * (1 - vertical(value))
  const values = points.map(([, value]) => value)
  const marks: Array<number> = []
  for (
    let power = 10 ** Math.floor(Math.log10(Math.min(...values)));
    power <= Math.max(...values) * 1.25;
    power *= 10
  ) {
    for (const step of [1, 1.5, 2, 3, 5, 7]) {
      if (vertical(step * power) >= 0 && vertical(step * power) <= 1) marks.push(step * power)
    }
  }
  const content = [
    text(16, 24, `${options.title}, ${options.y} (logarithmic)`, `font-weight="600"`),
    `<path d="M${left} ${top}V${top + height}H${left + width}" fill="none" stroke="#8c959f"/>`,
    ...marks.flatMap((mark) => [
      `<path d="M${left} ${y(mark).toFixed(1)}H${left + width}" stroke="#d0d7de" stroke-dasharray="2 4"/>`,
      text(left - 6, y(mark) + 4, short(mark), `text-anchor="end"`)
    ]),
    ...Array.from(
      new Set(points.map(([value]) => value)),
      (value) => text(x(value), top + height + 18, value.toLocaleString("en"), `text-anchor="middle"`)
    ),
    text(left + width / 2, top + height + 36, options.x, `text-anchor="middle" fill="#57606a"`)
  ]
  for (const [index, line] of series.entries()) {
    const color = colors[index % colors.length]
    const path = line.points.map(([a, b]) => `${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join("L")
    content.push(
      `<path d="M${path}" fill="none" stroke="${color}" stroke-width="2"/>`,
      ...line.points.map(([a, b]) => `<circle cx="${x(a).toFixed(1)}" cy="${y(b).toFixed(1)}" r="3" fill="${color}"/>`),
      `<circle cx="500" cy="${top + 12 + 20 * index}" r="5" fill="${color}"/>`,
      text(512, top + 16 + 20 * index, line.label)
    )
  }
  return svg(660, top + height + 50, content)
}
