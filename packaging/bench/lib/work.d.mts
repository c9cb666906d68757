export const workOf: (request: {
  readonly from?: number
  readonly kind?: string
  readonly requests?: ReadonlyArray<string>
  readonly rows?: number
  readonly status?: number
}) => {
  readonly status: number
  readonly isDone: (bytes: Buffer) => boolean
  readonly rows: number
  readonly nextOf: (port: number) => () => Uint8Array
}
export const next: () => number
