/* The SIP part of `status`: next hops, and peers that may not send. */
#ifndef GATEWAY_ADMIN_SIP_STATUS_H
#define GATEWAY_ADMIN_SIP_STATUS_H

#include "admin/admin.h"

void sip_status_problems(const struct admin *ad, json_t *list);
json_t *sip_status_hops(const struct admin *ad);
/* Whether the next hop of that domain answers, which was asked: the step "next-hop" of rt_control_add_step(). */
void sip_status_step(const struct admin *ad, const struct config_domain *d, json_t *steps);
#define SIP_STATUS_WORDS 1024
const char *sip_status_words(const struct trunk_untrusted *u, char out[SIP_STATUS_WORDS]); /* says who may not send, and what to do about it */
/* The last peer that was refused recently when it sent as that domain of ours; NULL: none. */
const struct trunk_untrusted *sip_status_untrusted_as(const struct admin *ad, const struct config_domain *d);
json_t *sip_status_untrusted(const struct admin *ad);

#endif
