/*
 * The name servers of resolv.conf(5). Only "nameserver" lines are read: search lists, sortlists and time-outs are for host names people
 * type, and every name we ask for is complete.
 */
#ifndef XFED_RT_RESOLV_CONF_H
#define XFED_RT_RESOLV_CONF_H

#include "xfed/rt/addr.h"

/* Returns how many servers were found, at most `max`. Invalid lines are skipped, as by the libc. */
size_t resolv_conf_parse(struct xfed_span text, struct rt_addr *servers, size_t max);
/* Reads a file; if it is missing or names no server, the result is 127.0.0.1, as in resolv.conf(5). Never 0. */
size_t resolv_conf_load(const char *path, struct rt_addr *servers, size_t max);

#endif
