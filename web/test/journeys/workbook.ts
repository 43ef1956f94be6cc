// Excel workbooks, opened without a library: a zip archive of XML.
import { inflateRawSync } from 'node:zlib'

/** The files of a zip archive, by its directory. */
function unzip(archive: Buffer): Map<string, string> {
  const files = new Map<string, string>()
  let at = archive.readUInt32LE(archive.lastIndexOf('PK\x05\x06') + 16)
  while (archive.readUInt32LE(at) === 0x02014b50) {
    const [method, packed] = [archive.readUInt16LE(at + 10), archive.readUInt32LE(at + 20)]
    const [name, extra, comment] = [28, 30, 32].map((o) => archive.readUInt16LE(at + o)) as [number, number, number]
    const local = archive.readUInt32LE(at + 42)
    const from = local + 30 + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28)
    const bytes = archive.subarray(from, from + packed)
    files.set(
      archive.subarray(at + 46, at + 46 + name).toString(),
      (method === 0 ? bytes : inflateRawSync(bytes)).toString(),
    )
    at += 46 + name + extra + comment
  }
  return files
}

const plain = (xml: string) =>
  xml
    .replace(/<[^>]*>/g, '')
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&quot;/g, '"')
    .replace(/&amp;/g, '&')

/** The records of every sheet by its title: cells as they are written, by the head of their column. */
export function sheetsOf(archive: Buffer): Map<string, Record<string, string>[]> {
  const files = unzip(archive)
  const relations = files.get('xl/_rels/workbook.xml.rels') ?? ''
  const sheets = new Map<string, Record<string, string>[]>()
  for (const [tag] of (files.get('xl/workbook.xml') ?? '').matchAll(/<sheet [^>]*>/g)) {
    const id = /r:id="([^"]*)"/.exec(tag)?.[1] ?? ''
    const relation = new RegExp(`<Relationship [^>]*Id="${id}"[^>]*>`).exec(relations)?.[0] ?? ''
    const path = /Target="\/?(?:xl\/)?([^"]*)"/.exec(relation)?.[1] ?? ''
    // An empty cell is left out: cells are told apart by their columns' letters.
    const [head = {}, ...rows] = [...(files.get(`xl/${path}`) ?? '').matchAll(/<row [^>]*>(.*?)<\/row>/gs)].map(
      ([, row = '']): Record<string, string> =>
        Object.fromEntries(
          [...row.matchAll(/<c r="([A-Z]+)\d+"[^>]*?(?:\/>|>(.*?)<\/c>)/gs)].map(([, letter = '', cell = '']) => [
            letter,
            plain(cell),
          ]),
        ),
    )
    const records = rows.map((row) =>
      Object.fromEntries(Object.entries(head).map(([letter, name]) => [name, row[letter] ?? ''])),
    )
    sheets.set(plain(/name="([^"]*)"/.exec(tag)?.[1] ?? ''), records)
  }
  return sheets
}
