export interface Look {
  readonly frames: number
  readonly pages: number
  readonly pageBytes: number
  readonly log: string
}
export const read: (file: string) => Look
export const framesBetween: (before: Look, after: Look) => number | undefined
