// What the first page of the app loads: fails above the budget of compressed script.
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

const budget = 250_000
const read = (path) => readFileSync(new URL(`../dist/${path}`, import.meta.url))
const index = read('index.html').toString()
const scripts = [...index.matchAll(/<(?:script|link)[^>]+(?:src|href)="\/([^"]+\.js)"/g)].map((found) => found[1])
if (scripts.length === 0) throw new Error('dist/index.html names no script: run npm run build first')

let total = 0
for (const script of new Set(scripts)) {
  const size = gzipSync(read(script)).length
  total += size
  console.log(`${String(size).padStart(8)}  ${script}`)
}
console.log(`${String(total).padStart(8)}  bytes of script at first load, gzip; the budget is ${budget}`)
if (total > budget) process.exit(1)
