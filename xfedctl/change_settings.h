/* KEY=VALUE words become changes of a file's text. */
#ifndef XFEDCTL_CHANGE_SETTINGS_H
#define XFEDCTL_CHANGE_SETTINGS_H

#include "change.h"
#include "xfed/rt/conf_edit.h"

/* The first line of a new file into c->is: "domain: fabrikam.example". */
enum ctl_exit change_begin_file(struct change *c, const struct rt_conf_table *t, const char *key, const char *value);
/* c->is becomes c->was (of a new file: c->is) with each of the settings. What they say is judged by who loads it. */
enum ctl_exit change_settings(struct change *c, const struct rt_conf_table *t, const json_t *settings, bool is_new);
/* c->is has another text. */
void change_take(struct change *c, struct xfed_buf *text);

#endif
