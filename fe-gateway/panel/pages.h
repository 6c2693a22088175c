/* The pages: for each what it asks of the gateway, and how it looks. Pure functions of what they are given; route.c says which is where. */
#ifndef GATEWAY_PANEL_PAGES_H
#define GATEWAY_PANEL_PAGES_H

#include "panel/layout.h"

#define PANEL_PAGES(X)                                                                                                                               \
	X(overview)                                                                                                                                  \
	X(live)                                                                                                                                      \
	X(partners)                                                                                                                                  \
	X(partner)                                                                                                                                   \
	X(partner_check)                                                                                                                             \
	X(partner_new)                                                                                                                               \
	X(partner_edit)                                                                                                                              \
	X(partner_enabled)                                                                                                                           \
	X(partner_remove)                                                                                                                            \
	X(access)                                                                                                                                    \
	X(rule)                                                                                                                                      \
	X(rule_new)                                                                                                                                  \
	X(rule_edit)                                                                                                                                 \
	X(rule_grant)                                                                                                                                \
	X(rule_revoke)                                                                                                                               \
	X(rule_remove)                                                                                                                               \
	X(contacts)                                                                                                                                  \
	X(contact)                                                                                                                                   \
	X(contact_approve)                                                                                                                           \
	X(contact_remove)                                                                                                                            \
	X(subscriptions)                                                                                                                             \
	X(subscription_remove)                                                                                                                       \
	X(failures)                                                                                                                                  \
	X(failure)                                                                                                                                   \
	X(failure_retry)                                                                                                                             \
	X(streams)                                                                                                                                   \
	X(stream)                                                                                                                                    \
	X(stream_close)                                                                                                                              \
	X(certificates)                                                                                                                              \
	X(explain)                                                                                                                                   \
	X(audit)                                                                                                                                     \
	X(configuration)                                                                                                                             \
	X(reload)

#define PANEL_PAGE_FUNCTIONS(name)                                                                                                                   \
	int asks_##name(const struct panel_request *r, struct panel_ask out[], size_t *count);                                                       \
	int page_##name(const struct panel_view *v, struct panel_page *page);
PANEL_PAGES(PANEL_PAGE_FUNCTIONS)
#undef PANEL_PAGE_FUNCTIONS

/* ---- what several of them show ---- */

void stream_table(struct html *h, const json_t *streams);
void failure_tables(struct html *h, const json_t *failures); /* those of strangers apart */
/* Steps of a check or of what failed: "step" or "gate", "state" or "ok", "text" or "detail", "at_ms", and the remedy. */
void step_table(struct html *h, const json_t *steps, enum panel_word caption);
void partner_methods(struct html *h, const json_t *matrix); /* their names, between commas */
void matrix_table(struct html *h);			    /* the 18 rows of tls, sasl and dialback */

#endif
