import * as Args from "@effect/cli/Args"
import * as Options from "@effect/cli/Options"

/* The flags that several commands have, with one meaning each. */

export const text = (name: string, pseudo: string, description: string) =>
  Options.text(name).pipe(Options.withPseudoName(pseudo), Options.withDescription(description), Options.optional)

export const whole = (name: string, description: string) =>
  Options.integer(name).pipe(Options.withPseudoName("count"), Options.withDescription(description), Options.optional)

export const yes = (name: string, description: string) =>
  Options.boolean(name).pipe(Options.withDescription(description))

export const namespace = text("namespace", "name", "This namespace alone.")
export const tier = text("tier", "tier", "short, mid or long.")
export const tag = text("tag", "tag", "Only what has this tag.")
export const limit = whole("limit", "So many at most.")
export const offset = whole("offset", "Leave out so many from the beginning.")
export const since = text("since", "time", "Only what was changed from this time of RFC 3339 on.")
export const until = text("until", "time", "Only what was changed up to this time.")

export const id = Args.text({ name: "id" }).pipe(
  Args.withDescription("The memory: its id, or as much of it as the lists show.")
)
