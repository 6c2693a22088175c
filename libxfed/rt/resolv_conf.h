/*
 * The name servers of resolv.conf(5). Only "nameserver" lines matter: search lists, sortlists and time-outs are for
 * host names people type, and every name we ask for is complete.
 */
#ifndef XFED_RT_RESOLV_CONF_H
#define XFED_RT_RESOLV_CONF_H

#include "xfed/rt/addr.h"

/* Returns how many servers were found, at most `max`. Lines that do not parse are passed over, as the libc does. */
size_t resolv_conf_parse(struct xfed_span text, struct rt_addr *servers, size_t max);
/* Reads a file; a missing one, or one without servers, gives 127.0.0.1, as resolv.conf(5) says. Never 0. */
size_t resolv_conf_load(const char *path, struct rt_addr *servers, size_t max);

#endif
