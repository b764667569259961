/* RFC 4648, for bytes that no JSON string can hold. */
#ifndef HISTORY_BASE64_H
#define HISTORY_BASE64_H

#include <stdbool.h>

#include "engine/base/buf.h"

void base64_add(struct buf *out, struct str bytes);
/* Appends the bytes; false (and what was read so far) where `text` is not base64. */
bool base64_read(struct buf *out, struct str text);

#endif
