// SPDX-License-Identifier: Apache-2.0
// A policy as JSON. Private to policy/.
#pragma once

#include <nlohmann/json.hpp>
#include <span>

#include "policy/policy.h"

namespace crgen::policy {

inline constexpr std::string_view kAny = "any";

nlohmann::ordered_json PolicySchemaJson();
/// As DerivePolicy(): of some claims, in their order.
nlohmann::ordered_json DeriveJson(std::span<const Claim> claims);
/// What a claim is in the list of its member; of a form without lists, the member's value.
nlohmann::ordered_json ValueOf(const Claim& claim);

}  // namespace crgen::policy
