/*
 * One text in the place of another, and a whole content in the place of another: what a file
 * becomes, as pure functions on bytes.  Nothing is guessed: whitespace is meaning.
 *
 * `name` is the file's, for sentences to the model, which they give in *why, with ERR_USAGE and
 * without "error: "; else 0 or ERR_NOMEM.  *made and *why are added to.  Any thread.
 */
#ifndef APP_TOOLS_REPLACE_H
#define APP_TOOLS_REPLACE_H

#include "engine/base/buf.h"

/*
 * The file with `new` where `old` is, which must be there exactly once: as it is, or, where it
 * is not there so, with the file's line ends (if these are all of one kind), with what the
 * model was shown in place of the tags of a tool's result (<\/tool_result>) as they are, and
 * without a byte order mark.  What is put into a file of CRLF lines has such lines.
 */
int replace_once(struct str name, struct str file, struct str old, struct str new,
		 struct buf *made, struct buf *why);

/*
 * `content` as the file's whole content: with the byte order mark that the file had, and with
 * CRLF where all its lines had that.  Refused where nothing changes.
 */
int replace_whole(struct str name, struct str file, struct str content, struct buf *made,
		  struct buf *why);

#endif
