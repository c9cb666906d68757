export interface Run {
  readonly shape: string
  readonly rep: number
  readonly [figure: string]: unknown
}
export interface Summary {
  readonly median: number
  readonly min: number
  readonly max: number
}
export interface Group {
  readonly title: string
  readonly figures: ReadonlyArray<readonly [title: string, key: string, good: string]>
  readonly run: Run
}
export interface Compared {
  readonly title: string
  readonly runs: number
  readonly ours: Summary | undefined
  readonly theirs: Summary | undefined
  readonly ratio: Summary | undefined
  readonly verdict: string
}
export const compare: (
  measured: {
    readonly cells: ReadonlyArray<Run>
    readonly runs: ReadonlyArray<Run>
    readonly reads: ReadonlyArray<Run>
    readonly recalled: ReadonlyArray<Run>
  },
  names: readonly [ours: string, theirs: string],
  more?: ReadonlyArray<Group>
) => ReadonlyArray<Compared>
export const render: (compared: ReadonlyArray<Compared>, names: readonly [ours: string, theirs: string]) => string
