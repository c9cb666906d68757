/** What long work shows of itself on a terminal, and nowhere else. */
interface Progress {
  readonly update: (done: { readonly rows: number; readonly share: number | undefined; readonly note?: string }) => void
  /** Takes it away again, before anything else is said. */
  readonly clear: () => void
}

const EACH_MILLIS = 100
const WIDTH = 24

/** What is written on: a terminal, or something else. */
type Screen = Pick<NodeJS.WriteStream, "isTTY" | "columns"> & { readonly write: (text: string) => boolean }

/** On standard error, unless told otherwise. */
export const progress = (stream: Screen = process.stderr): Progress => {
  if (!stream.isTTY) return { update: () => {}, clear: () => {} }
  const begun = Date.now()
  let last = 0
  let isShown = false
  const clear = () => {
    if (isShown) stream.write("\r\u001b[K")
    isShown = false
  }
  return {
    clear,
    update: ({ note, rows, share }) => {
      if (Date.now() - last < EACH_MILLIS) return
      last = Date.now()
      const rate = Math.round(rows / Math.max((last - begun) / 1000, 0.001))
      const text = `${barOf(share)}${rows} rows, ${rate}/s${note === undefined ? "" : `, ${note}`}`
      stream.write(`\r\u001b[K${text.slice(0, Math.max((stream.columns ?? 80) - 1, 20))}`)
      isShown = true
    }
  }
}

const barOf = (share: number | undefined): string => {
  if (share === undefined) return ""
  const filled = Math.round(Math.min(share, 1) * WIDTH)
  return `[${"#".repeat(filled)}${"-".repeat(WIDTH - filled)}] ${
    String(Math.floor(Math.min(share, 1) * 100)).padStart(3)
  } %  `
}
