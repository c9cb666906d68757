/** A running hash over everything that happens, in order: two runs of one seed must give the same one. */
export class Trace {
  readonly lines: Array<string> | null
  private high = 0x811c_9dc5
  private low = 0x9e37_79b9

  constructor(options: { readonly keep: boolean }) {
    this.lines = options.keep ? [] : null
  }

  add(at: number, what: string): void {
    const line = `${at.toFixed(3)} ${what}`
    this.lines?.push(line)
    for (let index = 0; index < line.length; index++) {
      const code = line.charCodeAt(index)
      this.high = Math.imul(this.high ^ code, 0x0100_0193)
      this.low = Math.imul(this.low ^ code, 0x85eb_ca6b)
    }
  }

  digest(): string {
    return [this.high, this.low].map((part) => (part >>> 0).toString(16).padStart(8, "0")).join("")
  }
}
