export { within, withinStream } from "../store/Scope.js"
