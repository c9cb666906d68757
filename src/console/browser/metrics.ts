/** What a node counted: lines of the Prometheus text format. */
export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g

export const parse = (text: string): ReadonlyArray<Sample> =>
  text.split("\n").flatMap((line) => {
    const [, name, labels = "", value] = LINE.exec(line) ?? []
    return name === undefined || value === undefined ? [] : [{
      name,
      labels: Object.fromEntries(
        Array.from(labels.matchAll(LABEL), ([, key = "", quoted = ""]) => [key, plain(quoted)])
      ),
      value: Number(value)
    }]
  })

const plain = (quoted: string): string => quoted.replace(/\\(.)/g, (_, sign: string) => sign === "n" ? "\n" : sign)
