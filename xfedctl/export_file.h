/*
 * The file of config export: YAML that people can read, {"services": [PATH], "files": [{"path", "text"}]}, as JSON in memory. Texts come back
 * byte by byte.
 */
#ifndef XFEDCTL_EXPORT_FILE_H
#define XFEDCTL_EXPORT_FILE_H

#include <jansson.h>

#include "xfed/buf.h"

#define EXPORT_BYTES	  (64 * 1024 * 1024) /* of the whole file */
#define EXPORT_FILES	  20000
#define EXPORT_FILE_BYTES (16 * 1024 * 1024) /* of one file in it: the largest of a configuration are lists of users */
#define EXPORT_ERROR	  512

/* `head`: comments, each line with its "# ". OK, NOMEM, LIMIT. */
int export_print(const json_t *what, struct xfed_span head, struct xfed_buf *out);
/* OK: `*out` is a new reference, in which every path is absolute, plain and there once. INVALID with one sentence; NOMEM. */
int export_parse(struct xfed_span text, json_t **out, char error[EXPORT_ERROR]);

/* Whether a private key stands in a text in PEM: such a file does not travel. */
bool export_has_key(struct xfed_span text);

#endif
