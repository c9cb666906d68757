/** Nanoseconds since the epoch as the original writes them: `+00:00`, and 0, 3, 6 or 9 digits of the fraction. */
export const stamp = (nanos: bigint): string => {
  const seconds = new Date(Number(nanos / 1_000_000_000n) * 1000).toISOString().slice(0, 19)
  const digits = String(nanos % 1_000_000_000n).padStart(9, "0").replace(/(?:000)+$/, "")
  return `${seconds}${digits === "" ? "" : `.${digits}`}+00:00`
}

const started = { wall: BigInt(Date.now()) * 1_000_000n, monotonic: process.hrtime.bigint() }

export const wallClock = (): bigint => started.wall + process.hrtime.bigint() - started.monotonic

export const plusSeconds = (at: string, seconds: number): string =>
  stamp(nanosOf(at) + BigInt(seconds) * 1_000_000_000n)

const nanosOf = (at: string) => {
  const fraction = /\.(\d+)/.exec(at)?.[1] ?? ""
  return BigInt(Date.parse(at.replace(/\.\d+/, ""))) * 1_000_000n + BigInt(fraction.padEnd(9, "0"))
}
