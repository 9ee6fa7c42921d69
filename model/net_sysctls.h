// SPDX-License-Identifier: Apache-2.0
// Sysctls of network namespaces: ip-sysctl of the kernel's documentation. Each is absent where the
// kernel of the dump did not have it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace crgen {

/// net.ipv4.conf of a device, of `all` or of `default`.
struct Ipv4Conf {
  std::optional<std::int32_t> accept_local;
  std::optional<std::int32_t> accept_redirects;
  std::optional<std::int32_t> accept_source_route;
  std::optional<std::int32_t> arp_accept;
  std::optional<std::int32_t> arp_announce;
  std::optional<std::int32_t> arp_filter;
  std::optional<std::int32_t> arp_ignore;
  std::optional<std::int32_t> arp_notify;
  std::optional<std::int32_t> bootp_relay;
  std::optional<std::int32_t> disable_policy;
  std::optional<std::int32_t> disable_xfrm;
  std::optional<std::int32_t> force_igmp_version;
  std::optional<std::int32_t> forwarding;
  std::optional<std::int32_t> igmpv2_unsolicited_report_interval;
  std::optional<std::int32_t> igmpv3_unsolicited_report_interval;
  std::optional<std::int32_t> log_martians;
  std::optional<std::int32_t> medium_id;
  std::optional<std::int32_t> promote_secondaries;
  std::optional<std::int32_t> proxy_arp;
  std::optional<std::int32_t> proxy_arp_pvlan;
  std::optional<std::int32_t> route_localnet;
  std::optional<std::int32_t> rp_filter;
  std::optional<std::int32_t> secure_redirects;
  std::optional<std::int32_t> send_redirects;
  std::optional<std::int32_t> shared_media;
  std::optional<std::int32_t> src_valid_mark;
  std::optional<std::int32_t> tag;
  std::optional<std::int32_t> ignore_routes_with_linkdown;
  std::optional<std::int32_t> drop_gratuitous_arp;
  std::optional<std::int32_t> drop_unicast_in_l2_multicast;
  friend bool operator==(const Ipv4Conf&, const Ipv4Conf&) = default;
};

/// net.ipv6.conf, likewise.
struct Ipv6Conf {
  std::optional<std::int32_t> accept_dad;
  std::optional<std::int32_t> accept_ra;
  std::optional<std::int32_t> accept_ra_defrtr;
  std::optional<std::int32_t> accept_ra_from_local;
  std::optional<std::int32_t> accept_ra_min_hop_limit;
  std::optional<std::int32_t> accept_ra_mtu;
  std::optional<std::int32_t> accept_ra_pinfo;
  std::optional<std::int32_t> accept_ra_rt_info_max_plen;
  std::optional<std::int32_t> accept_ra_rtr_pref;
  std::optional<std::int32_t> accept_redirects;
  std::optional<std::int32_t> accept_source_route;
  std::optional<std::int32_t> autoconf;
  std::optional<std::int32_t> dad_transmits;
  std::optional<std::int32_t> disable_ipv6;
  std::optional<std::int32_t> drop_unicast_in_l2_multicast;
  std::optional<std::int32_t> drop_unsolicited_na;
  std::optional<std::int32_t> force_mld_version;
  std::optional<std::int32_t> force_tllao;
  std::optional<std::int32_t> forwarding;
  std::optional<std::int32_t> hop_limit;
  std::optional<std::int32_t> ignore_routes_with_linkdown;
  std::optional<std::int32_t> keep_addr_on_down;
  std::optional<std::int32_t> max_addresses;
  std::optional<std::int32_t> max_desync_factor;
  std::optional<std::int32_t> mldv1_unsolicited_report_interval;
  std::optional<std::int32_t> mldv2_unsolicited_report_interval;
  std::optional<std::int32_t> mtu;
  std::optional<std::int32_t> ndisc_notify;
  std::optional<std::int32_t> optimistic_dad;
  std::optional<std::int32_t> proxy_ndp;
  std::optional<std::int32_t> regen_max_retry;
  std::optional<std::int32_t> router_probe_interval;
  std::optional<std::int32_t> router_solicitation_delay;
  std::optional<std::int32_t> router_solicitation_interval;
  std::optional<std::int32_t> router_solicitations;
  std::optional<std::int32_t> suppress_frag_ndisc;
  std::optional<std::int32_t> temp_prefered_lft;
  std::optional<std::int32_t> temp_valid_lft;
  std::optional<std::int32_t> use_oif_addrs_only;
  std::optional<std::int32_t> use_optimistic;
  std::optional<std::int32_t> use_tempaddr;
  std::optional<std::string> stable_secret;  ///< an address of IPv6
  friend bool operator==(const Ipv6Conf&, const Ipv6Conf&) = default;
};

template <typename Conf>
struct ConfRow {
  std::string_view name;
  std::optional<std::int32_t> Conf::*member;
};

// In the order in which images have them, sysctl_entry by sysctl_entry.
inline constexpr ConfRow<Ipv4Conf> kIpv4Conf[] = {
    {"accept_local", &Ipv4Conf::accept_local},
    {"accept_redirects", &Ipv4Conf::accept_redirects},
    {"accept_source_route", &Ipv4Conf::accept_source_route},
    {"arp_accept", &Ipv4Conf::arp_accept},
    {"arp_announce", &Ipv4Conf::arp_announce},
    {"arp_filter", &Ipv4Conf::arp_filter},
    {"arp_ignore", &Ipv4Conf::arp_ignore},
    {"arp_notify", &Ipv4Conf::arp_notify},
    {"bootp_relay", &Ipv4Conf::bootp_relay},
    {"disable_policy", &Ipv4Conf::disable_policy},
    {"disable_xfrm", &Ipv4Conf::disable_xfrm},
    {"force_igmp_version", &Ipv4Conf::force_igmp_version},
    {"forwarding", &Ipv4Conf::forwarding},
    {"igmpv2_unsolicited_report_interval", &Ipv4Conf::igmpv2_unsolicited_report_interval},
    {"igmpv3_unsolicited_report_interval", &Ipv4Conf::igmpv3_unsolicited_report_interval},
    {"log_martians", &Ipv4Conf::log_martians},
    {"medium_id", &Ipv4Conf::medium_id},
    {"promote_secondaries", &Ipv4Conf::promote_secondaries},
    {"proxy_arp", &Ipv4Conf::proxy_arp},
    {"proxy_arp_pvlan", &Ipv4Conf::proxy_arp_pvlan},
    {"route_localnet", &Ipv4Conf::route_localnet},
    {"rp_filter", &Ipv4Conf::rp_filter},
    {"secure_redirects", &Ipv4Conf::secure_redirects},
    {"send_redirects", &Ipv4Conf::send_redirects},
    {"shared_media", &Ipv4Conf::shared_media},
    {"src_valid_mark", &Ipv4Conf::src_valid_mark},
    {"tag", &Ipv4Conf::tag},
    {"ignore_routes_with_linkdown", &Ipv4Conf::ignore_routes_with_linkdown},
    {"drop_gratuitous_arp", &Ipv4Conf::drop_gratuitous_arp},
    {"drop_unicast_in_l2_multicast", &Ipv4Conf::drop_unicast_in_l2_multicast},
};
inline constexpr ConfRow<Ipv6Conf> kIpv6Conf[] = {
    {"accept_dad", &Ipv6Conf::accept_dad},
    {"accept_ra", &Ipv6Conf::accept_ra},
    {"accept_ra_defrtr", &Ipv6Conf::accept_ra_defrtr},
    {"accept_ra_from_local", &Ipv6Conf::accept_ra_from_local},
    {"accept_ra_min_hop_limit", &Ipv6Conf::accept_ra_min_hop_limit},
    {"accept_ra_mtu", &Ipv6Conf::accept_ra_mtu},
    {"accept_ra_pinfo", &Ipv6Conf::accept_ra_pinfo},
    {"accept_ra_rt_info_max_plen", &Ipv6Conf::accept_ra_rt_info_max_plen},
    {"accept_ra_rtr_pref", &Ipv6Conf::accept_ra_rtr_pref},
    {"accept_redirects", &Ipv6Conf::accept_redirects},
    {"accept_source_route", &Ipv6Conf::accept_source_route},
    {"autoconf", &Ipv6Conf::autoconf},
    {"dad_transmits", &Ipv6Conf::dad_transmits},
    {"disable_ipv6", &Ipv6Conf::disable_ipv6},
    {"drop_unicast_in_l2_multicast", &Ipv6Conf::drop_unicast_in_l2_multicast},
    {"drop_unsolicited_na", &Ipv6Conf::drop_unsolicited_na},
    {"force_mld_version", &Ipv6Conf::force_mld_version},
    {"force_tllao", &Ipv6Conf::force_tllao},
    {"forwarding", &Ipv6Conf::forwarding},
    {"hop_limit", &Ipv6Conf::hop_limit},
    {"ignore_routes_with_linkdown", &Ipv6Conf::ignore_routes_with_linkdown},
    {"keep_addr_on_down", &Ipv6Conf::keep_addr_on_down},
    {"max_addresses", &Ipv6Conf::max_addresses},
    {"max_desync_factor", &Ipv6Conf::max_desync_factor},
    {"mldv1_unsolicited_report_interval", &Ipv6Conf::mldv1_unsolicited_report_interval},
    {"mldv2_unsolicited_report_interval", &Ipv6Conf::mldv2_unsolicited_report_interval},
    {"mtu", &Ipv6Conf::mtu},
    {"ndisc_notify", &Ipv6Conf::ndisc_notify},
    {"optimistic_dad", &Ipv6Conf::optimistic_dad},
    {"proxy_ndp", &Ipv6Conf::proxy_ndp},
    {"regen_max_retry", &Ipv6Conf::regen_max_retry},
    {"router_probe_interval", &Ipv6Conf::router_probe_interval},
    {"router_solicitation_delay", &Ipv6Conf::router_solicitation_delay},
    {"router_solicitation_interval", &Ipv6Conf::router_solicitation_interval},
    {"router_solicitations", &Ipv6Conf::router_solicitations},
    {"suppress_frag_ndisc", &Ipv6Conf::suppress_frag_ndisc},
    {"temp_prefered_lft", &Ipv6Conf::temp_prefered_lft},
    {"temp_valid_lft", &Ipv6Conf::temp_valid_lft},
    {"use_oif_addrs_only", &Ipv6Conf::use_oif_addrs_only},
    {"use_optimistic", &Ipv6Conf::use_optimistic},
    {"use_tempaddr", &Ipv6Conf::use_tempaddr},
};
/// Where stable_secret stands among those in an image.
inline constexpr std::size_t kStableSecretAt = 35;

/// What netns_entry has beside devices.
struct NetSysctls {
  Ipv4Conf ipv4_all, ipv4_default;
  Ipv6Conf ipv6_all, ipv6_default;
  std::optional<std::int32_t> max_dgram_qlen;   ///< net.unix
  std::optional<std::string> ping_group_range;  ///< net.ipv4: two numbers with a blank between them
  friend bool operator==(const NetSysctls&, const NetSysctls&) = default;
};

}  // namespace crgen
