export class UsageError extends Error {}
export const usage: string
export const AGAINST: string
export const fromArguments: (args: ReadonlyArray<string>) => {
  readonly clients: ReadonlyArray<number>
  readonly reps: number
  readonly seconds: number
  readonly shapes: ReadonlyArray<{ readonly name: string; readonly program: string; readonly isLenient: boolean }>
  readonly parts: ReadonlyArray<string>
  readonly memories: number
  readonly missed: number
  readonly rows: ReadonlyArray<number>
  readonly peer: string | undefined
  readonly json: string | undefined
  readonly table: string | undefined
}
