import { bytes, count } from '@/lib/format'
import type { Problem } from '@/lib/problem'
import { Button } from '@/ui/button'
import { Field } from '@/ui/field'
import { FileDrop } from '@/ui/file-drop'
import { Input } from '@/ui/input'
import { ErrorState } from '@/ui/states'
import { toast } from '@/ui/toast'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState, type SubmitEvent } from 'react'
import { aliasPattern, freeAlias } from './alias'
import { accept, acceptWords, keepUpload, sendFile, sourcesQuery, type Source, type Upload } from './api'
import { rowsText, Sample } from './sample'

/** A file is sent, looked at, and kept as a source if it is what one thought. */
export function UploadForm({ onSaved }: { onSaved: (alias: string) => void }) {
  const [upload, setUpload] = useState<Upload>()
  const [alias, setAlias] = useState('')
  const sources = useQuery(sourcesQuery)
  const client = useQueryClient()
  const keep = useMutation<Source, Problem, Upload>({
    mutationFn: (upload) => keepUpload(upload, alias),
    onSuccess: async (source) => {
      await client.invalidateQueries({ queryKey: ['sources'] })
      toast.done(`Source ${source.alias} saved`)
      onSaved(source.alias)
    },
  })
  const wrong = aliasPattern.test(alias) ? undefined : 'Letters, digits and _ only, not beginning with a digit.'

  function submit(event: SubmitEvent) {
    event.preventDefault()
    if (upload && wrong === undefined) keep.mutate(upload)
  }

  return (
    <div className="flex max-w-4xl flex-col gap-4">
      <FileDrop
        accept={accept}
        hint={acceptWords}
        upload={async (file, progress, signal) => {
          setUpload(undefined)
          keep.reset()
          const sent = await sendFile(file, progress, signal)
          setUpload(sent)
          setAlias(freeAlias(sent.filename, new Set((sources.data ?? []).map((s) => s.alias))))
        }}
      />
      {upload && (
        <form onSubmit={submit} noValidate className="flex flex-col gap-4">
          <div>
            <h2 className="text-base font-semibold">{upload.filename}</h2>
            <p className="num mb-2 text-sm text-muted">
              {upload.format} · {bytes(upload.bytes)} · {count((upload.columns ?? []).length)} columns ·{' '}
              {rowsText((upload.rows ?? []).length, upload.row_count)} shown
            </p>
            <Sample label={`First rows of ${upload.filename}`} columns={upload.schema ?? []} rows={upload.rows ?? []} />
          </div>
          <Field
            label="Name"
            hint="What recipes call it. A file that is not kept as a source is removed after a day."
            error={wrong ?? keep.error?.faultOf('alias')}
            className="max-w-sm"
          >
            <Input value={alias} onChange={(event) => setAlias(event.target.value)} />
          </Field>
          {keep.error && keep.error.faults.length === 0 && <ErrorState error={keep.error} small />}
          <div>
            <Button type="submit" look="primary" busy={keep.isPending}>
              Keep as a source
            </Button>
          </div>
        </form>
      )}
    </div>
  )
}
