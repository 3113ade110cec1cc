// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ERC4626} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";

/// A plain ERC-4626 vault. It earns when somebody sends it tokens. For local chains only.
contract DevVault is ERC4626 {
    constructor(IERC20 token, string memory shareName, string memory shareSymbol)
        ERC20(shareName, shareSymbol)
        ERC4626(token)
    {}
}
