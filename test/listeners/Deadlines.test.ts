import { contract } from "../contract/deadlines.ts"
import { Diary, DiaryLive } from "../contract/Diary.ts"
import * as World from "./world.ts"

contract("in Node", World.stored(Diary, DiaryLive), { sleeps: false })
