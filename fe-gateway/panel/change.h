/*
 * Changes of files in two steps: a form asks for a trial, whose page shows what will change and what that does, and carries everything
 * again with a button that saves; the second request says which file it has seen ("expect"). A page here is the answer to either.
 */
#ifndef GATEWAY_PANEL_CHANGE_H
#define GATEWAY_PANEL_CHANGE_H

#include "panel/layout.h"

enum change_step { CHANGE_TRY, CHANGE_SAVE, CHANGE_BACK }; /* back: to the form, with what was typed */
enum change_step change_step(const struct panel_request *r);

/* Asks for the trial or the change itself; `args`, those of the command, is taken over, and NULL is no memory. OK, NOMEM. */
int change_ask(const struct panel_request *r, struct panel_ask *out, const char *noun, const char *verb, json_t *args);

enum change_outcome { CHANGE_REFUSED, CHANGE_TRIED, CHANGE_SAVED };
enum change_outcome change_outcome(const struct panel_view *v, size_t n);

/* What the page asked, to tell what is to be typed for the same. */
typedef int change_asks_fn(const struct panel_request *r, struct panel_ask out[], size_t *count);
/* Why nothing was saved, and what is to be typed instead. */
void change_refusal(struct html *h, const struct panel_view *v, size_t n, change_asks_fn *asks);
/* What a trial found, and the buttons; `has_form`: there is a form to go back to. The place to go to without a change is `cancel`, and a name behind it. */
void change_trial(struct html *h, const struct panel_view *v, size_t n, bool has_form, const char *cancel, struct xfed_span name);
/* The page of a change that has no form: one or the other. */
void change_page(struct html *h, const struct panel_view *v, size_t n, const char *cancel, struct xfed_span name, change_asks_fn *asks);

#endif
