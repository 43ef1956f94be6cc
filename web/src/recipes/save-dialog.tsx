import { asProblem, type Problem } from '@/lib/problem'
import { Button } from '@/ui/button'
import { Dialog } from '@/ui/dialog'
import { Field } from '@/ui/field'
import { Input } from '@/ui/input'
import { ErrorState } from '@/ui/states'
import { Note } from '@/ui/status'
import { toast } from '@/ui/toast'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState, type SubmitEvent } from 'react'
import { recipeQuery, saveRecipe, type RecipeInfo } from './api'
import { DiffView } from './diff-view'

export interface SaveDialogProps {
  open: boolean
  onOpenChange: (open: boolean) => void
  id: string
  document: string
  /** The tag of the version that was changed; null for a recipe that is new. */
  etag: string | null
  onSaved: (version: number) => void
  /** What somebody else saved is taken in place of the document. */
  onTheirs: (theirs: RecipeInfo) => void
}

/** Saves a recipe as a new version. Where somebody else was first it shows what differs, and lets choose. */
export function SaveDialog(props: SaveDialogProps) {
  return (
    <Dialog
      open={props.open}
      onOpenChange={props.onOpenChange}
      title={props.etag === null ? `Save ${props.id}` : 'Save a new version'}
      wide
    >
      <SaveForm {...props} />
    </Dialog>
  )
}

function SaveForm({ id, document, etag, onOpenChange, onSaved, onTheirs }: SaveDialogProps) {
  const [message, setMessage] = useState('')
  const [theirs, setTheirs] = useState<{ recipe: RecipeInfo; etag: string | null }>()
  const client = useQueryClient()
  const save = useMutation<number, Problem, string | null>({
    mutationFn: async (tag) => {
      try {
        return (await saveRecipe(id, document, message.trim(), tag)).version
      } catch (cause) {
        // Also without a tag: then there is a recipe of this id already.
        if (asProblem(cause).status === 412) setTheirs(await client.query({ ...recipeQuery(id), staleTime: 0 }))
        throw cause
      }
    },
    onSuccess: async (version) => {
      await client.invalidateQueries({ queryKey: ['recipes'] })
      toast.done(`Saved as version ${version}`)
      onSaved(version)
    },
  })
  function submit(event: SubmitEvent) {
    event.preventDefault()
    save.mutate(theirs ? theirs.etag : etag)
  }
  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      {theirs && (
        <>
          <div role="alert">
            <Note
              tone="warn"
              title={
                etag === null
                  ? `There is a recipe ${id} already`
                  : `${theirs.recipe.author} saved version ${theirs.recipe.version} while you were editing`
              }
            >
              {etag === null
                ? 'Save yours as its next version, or go back and give yours another recipe_id.'
                : 'Keep yours as the next version, which undoes what differs below, or take theirs and lose your changes.'}
            </Note>
          </div>
          <DiffView
            before={theirs.recipe.document}
            after={document}
            beforeLabel={`Version ${theirs.recipe.version}, by ${theirs.recipe.author}`}
            afterLabel="Yours"
          />
        </>
      )}
      <Field label="What was changed, and why" optional hint="For the history of the recipe.">
        <Input
          value={message}
          maxLength={1000}
          placeholder="Tolerance raised to 0.05: bank charges"
          onChange={(event) => setMessage(event.target.value)}
        />
      </Field>
      {save.error && save.error.status !== 412 && <ErrorState error={save.error} small />}
      <div className="flex flex-wrap justify-end gap-2">
        <Button onClick={() => onOpenChange(false)}>Go on editing</Button>
        {theirs && etag !== null && <Button onClick={() => onTheirs(theirs.recipe)}>Take theirs</Button>}
        <Button type="submit" look="primary" busy={save.isPending}>
          {theirs ? 'Save mine' : 'Save'}
        </Button>
      </div>
    </form>
  )
}
