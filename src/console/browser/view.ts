/** What a view is given for as long as it is shown. */
export interface Shown {
  /** What it fills. */
  readonly root: HTMLElement
  /** What stands in the address behind its name. */
  readonly rest: string
  readonly parameters: URLSearchParams
  /** Ends when another view comes. */
  readonly signal: AbortSignal
  /** Keeps the address at what is shown, without showing it anew. */
  readonly note: (parameters: Readonly<Record<string, string>>) => void
}

/** A view of the console. */
export interface View {
  /** In the address: `#/name`. */
  readonly name: string
  readonly title: string
  /** After `g`; views without one are reached from others. */
  readonly letter?: string
  readonly show: (shown: Shown) => void | Promise<void>
}

/** Leads to a view, as a link does. */
export const go = (place: string): void => {
  location.hash = place
}

/** Does something now and then while the view is shown and somebody can see it; one after the other. */
export const every = (millis: number, signal: AbortSignal, run: () => Promise<void>): void => {
  const again = () => {
    if (signal.aborted) return
    const turn = document.visibilityState === "visible" ? run().catch(() => undefined) : Promise.resolve()
    void turn.then(() => setTimeout(again, millis))
  }
  setTimeout(again, millis)
}
