/* What status says of the SIP side: next hops, and peers that may not send. */
#ifndef GATEWAY_ADMIN_SIP_STATUS_H
#define GATEWAY_ADMIN_SIP_STATUS_H

#include "admin/admin.h"

void sip_status_problems(const struct admin *ad, json_t *list);
json_t *sip_status_hops(const struct admin *ad);
json_t *sip_status_untrusted(const struct admin *ad);

#endif
