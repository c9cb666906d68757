import { archive, forget, restore } from "./archive.js"
import { edit, link, remove } from "./change.js"
import { conflicts } from "./conflicts.js"
import { deadLetters } from "./deadLetters.js"
import { recall, search } from "./find.js"
import { inbox, notify } from "./messages.js"
import { pending } from "./pending.js"
import { get, list, namespaces, stats } from "./read.js"
import { store } from "./store.js"

/** What people do with a daemon that runs. */
export const commands = () =>
  [
    store(),
    recall(),
    search(),
    get(),
    list(),
    edit(),
    remove(),
    link(),
    archive(),
    restore(),
    forget(),
    namespaces(),
    stats(),
    conflicts(),
    pending(),
    deadLetters(),
    inbox(),
    notify()
  ] as const
