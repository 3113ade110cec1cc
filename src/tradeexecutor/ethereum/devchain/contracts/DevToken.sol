// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// A token that anybody can make more of. For local chains only.
contract DevToken is ERC20 {
    uint8 private immutable places;

    constructor(string memory tokenName, string memory tokenSymbol, uint8 decimalPlaces) ERC20(tokenName, tokenSymbol) {
        places = decimalPlaces;
    }

    function decimals() public view override returns (uint8) {
        return places;
    }

    function mint(address receiver, uint256 amount) external {
        _mint(receiver, amount);
    }
}
