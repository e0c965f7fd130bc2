import { make, worker } from "./guarded.ts"

/** The room of `guarded.ts`, in which one client may say as much as a benchmark lets it. All else is as it is there. */
export class Room extends make({ messageBurst: 1_000_000_000 }) {}

export default worker
