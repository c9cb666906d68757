import { button, fill, h } from "./dom.js"
import * as Readiness from "./readiness.js"

/* The page at `/`: whether the node works, as it is now, and commands that name this very node. */

const EVERY_MILLIS = 5_000
const USUAL_ORIGIN = "http://127.0.0.1:9077"
const TOLD_MILLIS = 2_000

const refresh = async (): Promise<void> => {
  const readiness = await Readiness.ask()
  const state = document.getElementById("state")
  const checks = document.getElementById("checks")
  if (state === null || checks === null) return
  const sentence = Readiness.sentence(readiness)
  // Who listens is not told again what has not changed.
  if (state.textContent !== sentence) state.textContent = sentence
  state.className = `state ${Readiness.classOf(readiness)}`
  fill(checks, readiness === undefined ? [] : Readiness.shown(readiness))
}

/** Those of another node than the usual one say which they mean. */
const nameThisNode = (): void => {
  for (const command of document.querySelectorAll("[data-command]")) {
    const own = location.origin === USUAL_ORIGIN ? "" : ` --url ${location.origin}`
    const words = `${command.textContent ?? ""}${own}`.split(" ")
    // No word of a command is broken: half a flag is another one.
    fill(command, words.map((word, index) => [index === 0 ? "" : " ", h("span", { class: "word" }, word)]))
    offerCopy(command)
  }
  for (const address of document.querySelectorAll("[data-address]")) {
    address.textContent = `${location.origin}/mcp`
    offerCopy(address)
  }
}

/** Browsers let pages copy over TLS and on this machine alone. */
const offerCopy = (code: Element): void => {
  if (!isSecureContext) return
  const what = code.textContent ?? ""
  const copy = button("Copy", () => {
    void navigator.clipboard.writeText(what).then(() => tell(copy, "Copied"), () => tell(copy, "Not copied"))
  }, { class: "small", "aria-label": `Copy: ${what}` })
  code.after(" ", copy)
}

const tell = (copy: HTMLElement, what: string): void => {
  copy.textContent = what
  setTimeout(() => {
    copy.textContent = "Copy"
  }, TOLD_MILLIS)
}

nameThisNode()
void refresh()
setInterval(() => {
  if (document.visibilityState === "visible") void refresh()
}, EVERY_MILLIS)
