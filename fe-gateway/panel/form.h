/*
 * Forms made of option tables: every key that a partner's or a rule's file can have, with its default, what it accepts and its help. A form
 * carries beside each value the one it began with ("was.KEY"), so that only what somebody has changed is set, and a page can tell when
 * somebody else has changed the same meanwhile.
 */
#ifndef GATEWAY_PANEL_FORM_H
#define GATEWAY_PANEL_FORM_H

#include "panel/layout.h"
#include "xfed/rt/conf.h"

#define FORM_VALUE_BYTES (64 * 1024)

struct form {
	struct html *h;
	const struct rt_conf_table *table;
	const json_t *values;				 /* what is in force, as the command shows it; NULL: the defaults */
	const struct panel_request *given;		 /* the fields of a form that comes back; NULL: none */
	const char *named_by;				 /* the key that names the file, which cannot be changed; NULL: a new one */
	void (*behind)(struct html *h, const char *key); /* is written behind the field of a key; NULL: nothing */
};
void form_keys(const struct form *f);

/* ["KEY=VALUE", ...] of what was changed in the form; "KEY=" where it was emptied. `named_by` is left out. NULL: no memory. */
json_t *form_settings(const struct panel_request *given, const struct rt_conf_table *t, const char *named_by);

/* Tells of each key whose value in force is not the one that the form began with: somebody else has changed it since. */
void form_meanwhile(struct html *h, const struct panel_view *v, const struct rt_conf_table *t, const json_t *values);

/* The words of a key for people; W_NONE: it has none. */
enum panel_word form_label(const char *key);

#endif
